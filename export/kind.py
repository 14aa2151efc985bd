"""Which quantization mode a .tflite file is of, and what it takes and gives.

Told from its tensors.
"""

from collections.abc import Sequence

from keras_diffmask.export.flatbuffer import SubgraphView, TensorView
from keras_diffmask.export.tensor_spec import TensorSpec

_INTEGERS = {"INT4", "INT8", "UINT8", "INT16"}


def quantization_of(graphs: Sequence[SubgraphView]) -> str:
    """The name of a mode (see `keras_diffmask.export.modes`), or "mixed".

    Args:
        graphs: all subgraphs of a file, whoever wrote it; the main one first.
    """
    weights = set().union(*(_dtypes(graph, constant=True) for graph in graphs))
    computed = set().union(*(_dtypes(graph, constant=False) for graph in graphs))
    if "FLOAT32" in weights | computed:
        if computed & _INTEGERS:
            return "mixed"
        if "FLOAT16" in weights:
            return "float16"
        if not weights & _INTEGERS:
            return "float32"
        # Unpacked before it is used is another thing, and slower.
        unpacked = any(op.name == "DEQUANTIZE" for graph in graphs for op in graph.ops)
        return (
            "dynamic" if weights & _INTEGERS == {"INT8"} and not unpacked else "mixed"
        )
    if "INT4" in weights:
        return "int4"
    if "INT16" in computed:
        return "int16x8"
    return "int8" if "INT8" in computed else "mixed"


def specs_of(
    graph: SubgraphView, indices: Sequence[int], names: Sequence[str]
) -> tuple[TensorSpec, ...]:
    """What a file's inputs or outputs are, place by place.

    Args:
        graph: the main subgraph of a file, whoever wrote it.
        indices: its inputs or its outputs.
        names: what these are called.
    """
    tensors = [graph.tensors[index] for index in indices]
    return tuple(map(_spec, tensors, names))


def _spec(tensor: TensorView, name: str) -> TensorSpec:
    quantized = tensor.scale.size == 1
    return TensorSpec(
        name=name,
        shape=tensor.shape,
        dtype=tensor.dtype.lower(),
        scale=float(tensor.scale[0]) if quantized else None,
        zero_point=int(tensor.zero_point[0]) if quantized else None,
    )


def _dtypes(graph: SubgraphView, constant: bool) -> set[str]:
    """Types of what operators read or write, but for the border of a graph.

    There QUANTIZE and DEQUANTIZE may stand between real numbers and integers. Of
    what is computed only outputs count: a fused LSTM reads an int16 state.
    """
    found = set()
    border = {*graph.inputs, *graph.outputs}
    for op in graph.ops:
        for index in op.inputs if constant else op.outputs:
            if index < 0 or graph.tensors[index].constant != constant:
                continue
            if index in border and op.name in ("QUANTIZE", "DEQUANTIZE"):
                continue
            # What unpacks a float16 weight computes nothing.
            if op.name == "DEQUANTIZE" and _unpacks(graph, op.inputs[0]):
                if not constant:
                    continue
            found.add(graph.tensors[index].dtype)
    return found


def _unpacks(graph: SubgraphView, index: int) -> bool:
    return graph.tensors[index].constant and graph.tensors[index].dtype == "FLOAT16"
