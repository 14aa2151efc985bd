"""The devices known by name."""

from dataclasses import replace

from keras_diffmask.errors import InvalidArgumentError, did_you_mean
from keras_diffmask.targets.target import Target

# The built-in operators that have a kernel in TensorFlow Lite for
# Microcontrollers (the `Register_*` functions in its library, October 2026).
# Absent, though Keras layers lead to them: GELU, TILE, REDUCE_PROD.
_TFLM_OPS = frozenset(
    """
    ABS ADD ADD_N ARG_MAX ARG_MIN ASSIGN_VARIABLE AVERAGE_POOL_2D BATCH_MATMUL
    BATCH_TO_SPACE_ND BROADCAST_ARGS BROADCAST_TO CALL_ONCE CAST CEIL
    CONCATENATION CONV_2D COS CUMSUM DEPTH_TO_SPACE DEPTHWISE_CONV_2D DEQUANTIZE
    DIV DYNAMIC_UPDATE_SLICE ELU EMBEDDING_LOOKUP EQUAL EXP EXPAND_DIMS FILL
    FLOOR FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GATHER_ND GREATER
    GREATER_EQUAL HARD_SWISH IF L2_NORMALIZATION L2_POOL_2D LEAKY_RELU LESS
    LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC LOG_SOFTMAX
    MAXIMUM MAX_POOL_2D MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL PACK PAD PADV2
    PRELU QUANTIZE READ_VARIABLE REDUCE_ALL REDUCE_MAX REDUCE_MIN RELU RELU6
    RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 ROUND RSQRT
    SELECT_V2 SHAPE SIN SLICE SOFTMAX SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT
    SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM SVDF
    TANH TRANSPOSE TRANSPOSE_CONV UNIDIRECTIONAL_SEQUENCE_LSTM UNPACK VAR_HANDLE
    WHILE ZEROS_LIKE
    """.split()
)

# Its kernels that know no int8, or no int16, found by running them: most refuse
# when the arena is laid out, some only at the first invocation.
_TFLM_WITHOUT_INT8 = frozenset("EXP LOG SQRT".split())
_TFLM_WITHOUT_INT16 = _TFLM_WITHOUT_INT8 | frozenset(
    "GATHER REDUCE_MAX REDUCE_MIN RESIZE_BILINEAR".split()
)

_NO_HYBRID = "TFLM has no kernels for int8 weights with float activations"
_NO_FLOAT16 = "TFLM has no kernels for float16 weights"
_NPU = "the NPU computes with integers alone"

HOST = Target("host", description="a computer: LiteRT with its XNNPACK kernels")

# XNNPACK's kernels for Arm work on 8 channels at a time.
ANDROID_CPU = Target(
    "android-cpu",
    description="the processor of a phone: LiteRT with its XNNPACK kernels",
    channel_multiple=8,
)

# One scale per Dense kernel: per-unit scales cost TFLM and LiteRT's reference
# kernels their bit-exact agreement in 1 to 3 % of the outputs of some nets (one
# step off). It is not the only source of such steps, so tests allow one.
CORTEX_M = Target(
    "cortex-m",
    allowed_ops=_TFLM_OPS,
    per_channel_dense=False,
    description="an Arm Cortex-M: TensorFlow Lite for Microcontrollers (TFLM)",
    runtime="tflm",
    without_int8=_TFLM_WITHOUT_INT8,
    without_int16=_TFLM_WITHOUT_INT16,
    refused={"float16": _NO_FLOAT16, "dynamic": _NO_HYBRID},
    # Four int8 numbers are one word of its SIMD instructions.
    channel_multiple=4,
)

# What the NPU lacks runs on the Cortex-M beside it, hence the same operators.
# Depths are cut into bricks of 16 channels in its memory format.
ETHOS_U55 = replace(
    CORTEX_M,
    name="ethos-u55",
    description="an Arm Ethos-U55 NPU beside a Cortex-M: TFLM and Vela",
    refused={
        "float32": _NPU,
        "float16": _NPU,
        "dynamic": _NPU,
        "int4": "Vela, its compiler, dies of 4-bit weights",
    },
    channel_multiple=16,
    accelerator="ethos-u55-128",
)
ETHOS_U85 = replace(
    ETHOS_U55,
    name="ethos-u85",
    description="an Arm Ethos-U85 NPU beside a Cortex-M: TFLM and Vela",
    accelerator="ethos-u85-256",
)

ALL_OBJECTS = {
    target.name: target
    for target in (HOST, ANDROID_CPU, CORTEX_M, ETHOS_U55, ETHOS_U85)
}


def get(identifier: str | Target) -> Target:
    """Turns a name into a `Target`.

    Args:
        identifier: a name from `targets.ALL_OBJECTS`, or a `Target`, returned
            as it is.

    Returns:
        The target.

    Raises:
        InvalidArgumentError: no target has that name.

    Example:

    ```python
    targets.get("cortex-m").per_channel_dense  # False
    ```
    """
    if isinstance(identifier, Target):
        return identifier
    if isinstance(identifier, str) and identifier in ALL_OBJECTS:
        return ALL_OBJECTS[identifier]
    names = ", ".join(repr(name) for name in sorted(ALL_OBJECTS))
    raise InvalidArgumentError(
        f"target to be one of {names}, or a Target",
        f"target={identifier!r}",
        did_you_mean(
            identifier,
            ALL_OBJECTS,
            "Pass one of these names, or describe the device with "
            "keras_diffmask.targets.Target.",
        ),
    )
