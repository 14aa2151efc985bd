"""The files that describe a model: its bytes, its tensors, its operators."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from keras_diffmask.export.firmware import cxx
from keras_diffmask.export.firmware.arena import ArenaSize
from keras_diffmask.export.firmware.golden import Golden

if TYPE_CHECKING:
    from keras_diffmask.export.artifact import Artifact
    from keras_diffmask.export.tensor_spec import TensorSpec


def header(file: str, space: str, includes: Sequence[str], body: str) -> str:
    """A header file with its guard, around declarations in a namespace."""
    guard = f"{space}_{file}_".replace(".", "_").upper()
    lines = "".join(f"#include {name}\n" for name in includes)
    return (
        f"#ifndef {guard}\n#define {guard}\n\n{lines}\nnamespace {space} {{\n\n"
        f"{body}\n\n}}  // namespace {space}\n\n#endif  // {guard}\n"
    )


def source(own: str, space: str, body: str, includes: Sequence[str] = ()) -> str:
    """A source file around definitions in a namespace."""
    lines = "".join(f"#include {name}\n" for name in includes)
    between = "\n" if lines else ""
    return (
        f'#include "{own}"\n{between}{lines}\nnamespace {space} {{\n\n{body}\n\n'
        f"}}  // namespace {space}\n"
    )


def model_data(artifact: "Artifact", space: str) -> dict[str, str]:
    """`model_data.h` and `.cc`: the .tflite file as an array."""
    declared = (
        "// The .tflite file. TFLM reads it where it lies, which must be aligned.\n"
        f"constexpr int kModelBytes = {artifact.nbytes};\n"
        "alignas(16) extern const unsigned char kModel[kModelBytes];"
    )
    defined = (
        "alignas(16) const unsigned char kModel[kModelBytes] = {\n"
        f"{cxx.hexadecimal(artifact.content)}\n}};"
    )
    return {
        "model_data.h": header("model_data.h", space, (), declared),
        "model_data.cc": source("model_data.h", space, defined),
    }


def settings(artifact: "Artifact", space: str, arena: ArenaSize) -> dict[str, str]:
    """`model_settings.h`: inputs, outputs and the arena."""
    blocks = [
        f"{cxx.comment(arena.origin)}\n"
        "// On the board, MicroInterpreter::arena_used_bytes() is the truth.\n"
        f"constexpr int kArenaBytes = {arena.size};",
        f"constexpr int kInputs = {len(artifact.inputs)};\n"
        f"constexpr int kOutputs = {len(artifact.outputs)};",
    ]
    for kind, specs in (("Input", artifact.inputs), ("Output", artifact.outputs)):
        blocks += [_tensor(f"{kind}{i}", spec) for i, spec in enumerate(specs)]
    body = "\n\n".join(blocks)
    return {"model_settings.h": header("model_settings.h", space, ("<cstdint>",), body)}


def _tensor(name: str, spec: "TensorSpec") -> str:
    elements = 1
    for size in spec.shape:
        elements *= size
    shape = ", ".join(map(str, spec.shape)) or "1"
    lines = [
        cxx.comment(f"{name}, called '{spec.name}'."),
        f"using {name}Type = {cxx.type_of(spec.dtype, spec.name)};",
        f"constexpr int k{name}Shape[] = {{{shape}}};",
        f"constexpr int k{name}Elements = {elements};",
    ]
    if spec.scale is not None:
        lines += [
            f"// real value = k{name}Scale * (integer - k{name}ZeroPoint); round, then "
            "clip.",
            f"constexpr float k{name}Scale = {cxx.real(spec.scale)};",
            f"constexpr int k{name}ZeroPoint = {spec.zero_point};",
        ]
    return "\n".join(lines)


def op_resolver(methods: Sequence[str], space: str) -> dict[str, str]:
    """`op_resolver.h`: the kernels that are linked, and no others."""
    calls = "\n".join(
        f"  if (resolver.{method}() != kTfLiteOk) return kTfLiteError;"
        for method in methods
    )
    body = (
        "// Exactly the operators of this model: each one more costs flash.\n"
        f"using OpResolver = tflite::MicroMutableOpResolver<{len(methods)}>;\n\n"
        "inline TfLiteStatus AddOps(OpResolver& resolver) {\n"
        f"{calls}\n  return kTfLiteOk;\n}}"
    )
    include = '"tensorflow/lite/micro/micro_mutable_op_resolver.h"'
    return {"op_resolver.h": header("op_resolver.h", space, (include,), body)}


def golden(example: Golden, space: str) -> dict[str, str]:
    """`golden.h` and `.cc`: what goes in and what must come out."""
    declared = [
        cxx.comment(example.origin),
        "// Calls of the interpreter, one after the other, after one reset.",
        f"constexpr int kGoldenCalls = {example.calls};",
    ]
    defined = []
    for kind, arrays in (("Input", example.inputs), ("Output", example.outputs)):
        for i, values in enumerate(arrays):
            name = f"{kind}{i}"
            array = f"{name}Type kGolden{name}[kGoldenCalls * k{name}Elements]"
            declared.append(f"extern const {array};")
            defined.append(f"const {array} = {{\n{cxx.numbers(values)}\n}};")
    declared.append(
        "// How far off each output may be, in its own type: integer steps or real "
        "values."
    )
    declared += [
        f"constexpr float kTolerance{i} = {cxx.real(limit)};"
        for i, limit in enumerate(example.tolerance)
    ]
    own = ('"model_settings.h"',)
    return {
        "golden.h": header("golden.h", space, own, "\n".join(declared)),
        "golden.cc": source("golden.h", space, "\n\n".join(defined), ("<limits>",)),
    }
