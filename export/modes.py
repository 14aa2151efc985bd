"""The quantization modes of `to_tflite`, as data. Imports neither Keras nor NumPy."""

from dataclasses import dataclass

from keras_diffmask import targets
from keras_diffmask.errors import InvalidArgumentError, did_you_mean


@dataclass(frozen=True)
class Mode:
    """What a file of one mode holds and what it takes to write it.

    Args:
        name: what the user writes, as in `to_tflite(..., quantization="int8")`.
        weights: what the weights are.
        activations: what is computed with: "float32", "int8" or "int16".
        calibration: whether examples of the inputs are needed.
        error: what law 6 allows a file, its distance to the Keras model as a share
            of the output, both rms.
        io: types that inputs and outputs may have, the usual one first.
        unwritable: operators that the converter does not write in this mode.
        because: how the sentence about such an operator ends.
    """

    name: str
    weights: str
    activations: str
    calibration: bool
    error: float
    io: tuple[str, ...] = ("float32",)
    unwritable: frozenset[str] = frozenset()
    because: str = ""

    @property
    def integers(self) -> bool:
        """Whether every tensor is an integer."""
        return self.activations != "float32"

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the known targets that run files of this mode."""
        known = targets.ALL_OBJECTS.values()
        return tuple(target.name for target in known if self.name not in target.refused)


# Found by converting each kind of layer, tests/export/emit/layer_kinds.py, with
# TensorFlow 2.21: these stay float between a DEQUANTIZE and a QUANTIZE.
_NO_INT8 = frozenset(
    """
    BUCKETIZE CAST CEIL CONV_3D CONV_3D_TRANSPOSE COS CUMSUM ELU FLOOR NEG POW ROUND
    SIGN SIN SQUARE
    """.split()
)
# These end the converter, or fail when LiteRT runs them.
_NO_INT16 = _NO_INT8 | frozenset(
    """
    DIV GREATER HARD_SWISH LESS LOG_SOFTMAX PRELU SELECT SQRT SQUARED_DIFFERENCE
    TOPK_V2 UNIDIRECTIONAL_SEQUENCE_LSTM
    """.split()
)
# ai-edge-quantizer leaves these in float.
_NO_INT4 = _NO_INT8 | frozenset(
    """
    ABS EXP GREATER LEAKY_RELU LESS LOG LOG_SOFTMAX MINIMUM PRELU REDUCE_MAX
    REDUCE_PROD REVERSE_V2 TILE TOPK_V2 UNIDIRECTIONAL_SEQUENCE_LSTM
    """.split()
)

MODES = {
    mode.name: mode
    for mode in (
        Mode("float32", "float32", "float32", calibration=False, error=1e-4),
        Mode(
            "int8",
            "int8",
            "int8",
            calibration=True,
            error=0.05,
            io=("int8", "uint8", "float32"),
            unwritable=_NO_INT8,
            because="which the converter leaves in float",
        ),
        Mode(
            "int16x8",
            "int8",
            "int16",
            calibration=True,
            error=0.05,
            io=("int16", "float32"),
            unwritable=_NO_INT16,
            because="which has no form with int16 activations",
        ),
        Mode("float16", "float16", "float32", calibration=False, error=0.01),
        Mode("dynamic", "int8", "float32", calibration=False, error=0.05),
        Mode(
            "int4",
            "int4, depthwise int8",
            "int8",
            calibration=True,
            error=0.25,
            io=("int8", "float32"),
            unwritable=_NO_INT4,
            because="which ai-edge-quantizer leaves in float",
        ),
    )
}

NAMES = tuple(MODES)


def get(quantization: str | None) -> Mode:
    """The mode of a name; None is float32.

    Raises:
        InvalidArgumentError: there is no such mode.
    """
    name = "float32" if quantization is None else quantization
    if isinstance(name, str) and name in MODES:
        return MODES[name]
    raise InvalidArgumentError(
        f"quantization to be None or one of {', '.join(map(repr, NAMES))}",
        f"quantization={quantization!r}",
        did_you_mean(quantization, NAMES, "Pass one of these."),
    )


def table() -> str:
    """What each mode writes, and for which targets, as lines of text."""
    rows = [("mode", "weights", "computes in", "calibration", "targets")]
    for mode in MODES.values():
        needed = "needed" if mode.calibration else "no"
        row = (mode.name, mode.weights, mode.activations, needed)
        rows.append((*row, ", ".join(mode.targets)))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = (
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def check_io(mode: Mode, io: str | None, target: targets.Target) -> str:
    """The type that inputs and outputs get; see `to_tflite`.

    Raises:
        InvalidArgumentError: names what the mode and the target can have.
    """
    usual = [kind for kind in mode.io if kind in (*target.io, "int16")]
    allowed = usual if mode.integers else list(mode.io)
    if io is None and allowed:
        return allowed[0]
    if io not in allowed:
        raise InvalidArgumentError(
            f"io to be one of {', '.join(map(repr, allowed))} for quantization="
            f"'{mode.name}' on target '{target.name}'",
            f"io={io!r}",
            "Pass one of these, or leave it out.",
        )
    return str(io)


def check_target(mode: Mode, target: targets.Target) -> None:
    """Raises when a device can't run files of a mode, before one is written.

    Raises:
        InvalidArgumentError: names the modes that it can run.
    """
    if mode.name in target.refused:
        others = [repr(name) for name in NAMES if name not in target.refused]
        raise InvalidArgumentError(
            f"a quantization that target '{target.name}' runs",
            f"quantization='{mode.name}' ({target.refused[mode.name]})",
            f"Use {' or '.join(others)}.",
        )
