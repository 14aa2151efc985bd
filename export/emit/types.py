"""The types of a file's tensors, held to what its mode promises."""

from keras_diffmask.errors import ConversionError, FloatLeftError
from keras_diffmask.export.flatbuffer import SubgraphView, TensorView
from keras_diffmask.export.modes import Mode

_FLOATS = ("FLOAT32", "FLOAT16")
# Of these the converter writes 4-bit weights, of nothing else.
_FOUR_BITS = ("CONV_2D", "FULLY_CONNECTED")


def check_types(graph: SubgraphView, mode: Mode, io: str) -> None:
    """Raises when a tensor has a type that its file's mode does not allow.

    Args:
        graph: the main subgraph.
        mode: what was promised.
        io: the type of inputs and outputs, but for token inputs.

    Raises:
        ConversionError: names the tensor and its operator.
    """
    if mode.integers:
        _check_integers(graph, mode, io)
        _check_io(graph, io)
    if mode.name == "int4":
        _check_four_bits(graph)
    elif mode.name == "float16":
        _check_half(graph)
    elif mode.name == "dynamic":
        _check_dynamic(graph)
    elif mode.name == "float32":
        _check_float(graph)


def _check_integers(graph: SubgraphView, mode: Mode, io: str) -> None:
    border = {*graph.inputs, *graph.outputs} if io == "float32" else set()
    for op in graph.ops:
        # A fused LSTM's unused intermediates are empty float tensors: not read.
        for index in (*op.inputs, *op.outputs):
            if index < 0 or graph.tensors[index].dtype not in _FLOATS:
                continue
            if index in border and op.name in ("QUANTIZE", "DEQUANTIZE"):
                continue
            raise FloatLeftError(
                f"integer tensors only in an {mode.name} file",
                f"float tensor '{graph.tensors[index].name}' at operator {op.name}",
                "Replace the layer it comes from: it has no integer form.",
            )


def _check_io(graph: SubgraphView, io: str) -> None:
    names = (*graph.input_names, *graph.output_names)
    for name, index in zip(names, (*graph.inputs, *graph.outputs), strict=True):
        dtype = graph.tensors[index].dtype
        if dtype not in (io.upper(), "INT32", "INT64", "BOOL"):
            raise FloatLeftError(
                f"{io} inputs and outputs",
                f"{dtype.lower()} tensor '{name}'",
                "Report the model: the converter gave it another type.",
            )


def _check_four_bits(graph: SubgraphView) -> None:
    for op in graph.ops:
        if op.name in _FOUR_BITS and len(op.inputs) > 1:
            weights = graph.tensors[op.inputs[1]]
            if weights.constant and weights.dtype != "INT4":
                raise ConversionError(
                    f"4-bit weights at every {op.name}",
                    f"{weights.dtype} at tensor '{weights.name}'",
                    "Report the version of ai-edge-quantizer.",
                )


def _check_half(graph: SubgraphView) -> None:
    for op in graph.ops:
        for tensor in _tensors(graph, op.inputs):
            if tensor.dtype == "FLOAT16" and op.name != "DEQUANTIZE":
                raise ConversionError(
                    "float16 for weights alone",
                    f"tensor '{tensor.name}' at operator {op.name}",
                    "Report the TensorFlow version: it writes float16 in a new way.",
                )
    kinds = {tensor.dtype for op in graph.ops for tensor in _tensors(graph, op.inputs)}
    if "FLOAT16" not in kinds:
        raise ConversionError(
            "float16 weights in a float16 file",
            "a model without weights",
            "Use quantization='float32'.",
        )


def _check_dynamic(graph: SubgraphView) -> None:
    small = True
    for op in graph.ops:
        for tensor in _tensors(graph, op.inputs):
            small = small and not (tensor.constant and tensor.dtype == "INT8")
    if small:
        raise ConversionError(
            "8-bit weights in a dynamic file",
            "none, for the converter leaves kernels of fewer than 1,024 elements "
            "in float",
            "Use 'float16' or 'float32' for a model this small, or 'int8'.",
        )


def _check_float(graph: SubgraphView) -> None:
    for op in graph.ops:
        for tensor in _tensors(graph, (*op.inputs, *op.outputs)):
            if tensor.scale.size:
                raise ConversionError(
                    "no quantized tensor in a float32 file",
                    f"tensor '{tensor.name}' at operator {op.name}",
                    "Report the model: the converter quantized what it should not.",
                )


def _tensors(graph: SubgraphView, indices: tuple[int, ...]) -> list[TensorView]:
    return [graph.tensors[index] for index in indices if index >= 0]
