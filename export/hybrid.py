"""Dynamic-range models: float activations, int8 weights."""

from keras_diffmask.errors import ArtifactError
from keras_diffmask.export.flatbuffer import read_subgraphs


def hybrid_op(content: bytes) -> str | None:
    """The first operator that multiplies floats by 8 or 4 bit weights, or None.

    Args:
        content: a .tflite file.
    """
    for graph in read_subgraphs(content):
        for op in graph.ops:
            dtypes = [graph.tensors[i].dtype for i in op.inputs[:3] if i >= 0]
            # Data come first, but after shape and weights at a TRANSPOSE_CONV.
            if "FLOAT32" in dtypes and {"INT8", "INT4"} & set(dtypes):
                return op.name
    return None


def check_no_hybrid(content: bytes, device: str) -> None:
    """Raises for a dynamic-range model.

    Args:
        content: a .tflite file.
        device: what cannot run it, with its article.

    Raises:
        ArtifactError: names the operator.
    """
    op = hybrid_op(content)
    if op is not None:
        raise ArtifactError(
            f"float or integer operators throughout, as {device} needs",
            f"{op} of float inputs with int8 weights (dynamic-range quantization)",
            "Convert with quantization='int8' and target='cortex-m'.",
        )
