"""The bundle's own README.md."""

from string import Template
from typing import TYPE_CHECKING

from keras_diffmask.export.firmware.arena import ArenaSize
from keras_diffmask.export.firmware.golden import Golden

if TYPE_CHECKING:
    from keras_diffmask.export.artifact import Artifact
    from keras_diffmask.export.tensor_spec import TensorSpec

_FILES = (
    ("model_data.h, .cc", "the .tflite file as an array, aligned to 16 bytes"),
    ("model_settings.h", "shapes, types, scales, zero points, and the arena's size"),
    ("op_resolver.h", "the kernels to link: exactly this model's operators"),
    ("golden.h, .cc", "one example, and what must come out"),
    ("main.cc", "runs that example, compares, prints PASS or FAIL"),
    ("Makefile", "builds and runs main.cc on this computer"),
)


_TEXT = Template("""\
# $name for TensorFlow Lite for Microcontrollers

```text
$summary
```

| file | what it is |
|---|---|
$files

Written by keras_diffmask; everything is in the namespace `$space`.

## Try it on this computer

```sh
make check TFLM_DIR=path/to/tflite-micro
```

`make objects TFLM_DIR=... CXX=arm-none-eabi-g++ CXXFLAGS="-mcpu=cortex-m4 -mthumb -Os"`
compiles the files for a board.

$origin $limits

## Add it to a project

1. Have TensorFlow Lite for Microcontrollers in the project: a board's own package, or
   a tree that TFLM's `create_tflm_tree.py` has written, for a Cortex-M with
   `OPTIMIZED_KERNEL_DIR=cmsis_nn`.
2. Add `model_data.cc` to the sources and this folder to the include paths; take the
   calls of `main.cc` into the program. `golden.cc` and `main.cc` are for the test only.
3. Fill every input before every call, for `Invoke()` may write over it. An integer is
   the real value over the scale, rounded, plus the zero point, clipped to its type.
4. Run `main.cc` on the board once: PASS says that its kernels compute what they should.

$state

## The arena

`kArenaBytes` is $size. $measured
`MicroInterpreter::arena_used_bytes()`, which `main.cc` prints, is the truth: set
`kArenaBytes` by it.
""")


def readme(artifact: "Artifact", space: str, arena: ArenaSize, example: Golden) -> str:
    """The text of `README.md`."""
    files = "\n".join(f"| `{name}` | {what} |" for name, what in _FILES)
    state = "It keeps no state between calls."
    if artifact.stateful:
        state = f"**State.** {artifact.state_note}"
    outputs = enumerate(zip(artifact.outputs, example.tolerance, strict=True))
    limits = " ".join(_limit(i, spec, limit) for i, (spec, limit) in outputs)
    return _TEXT.substitute(
        name=artifact.name,
        summary=artifact.summary(),
        files=files,
        space=space,
        origin=example.origin,
        limits=limits,
        state=state,
        size=arena.size,
        measured=arena.origin,
    )


def _limit(place: int, spec: "TensorSpec", limit: float) -> str:
    """How far off an output may be, in the unit that the board writes it in."""
    name = f"`kGoldenOutput{place}`"
    if spec.dtype.startswith("float"):
        return f"{name} holds real values: the board's may be off by {limit:.2g}."
    if not limit:
        return f"{name} holds integers: the board's must be the same."
    steps = f"{limit:g} integer step{'s' * (limit != 1)}"
    real = f", {limit * spec.scale:.2g} as a real value" if spec.scale else ""
    return f"{name} holds integers: the board's may be off by {steps}{real}."
