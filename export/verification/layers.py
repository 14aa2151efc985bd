"""Where in the network the error comes from.

The converter names a tensor after the layers that it fused, but numbers them anew
(`conv2d_1` may be `conv2d`), leaves out a BatchNormalization that it folded, and
forgets the name altogether at an LSTM. So a name only proposes layers, and the
values decide among them: the float outputs of two layers differ by far more than
a layer and its integers do.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_diffmask.export.artifact import Artifact
from keras_diffmask.export.flatbuffer import OpView, SubgraphView, read_subgraphs
from keras_diffmask.export.interpreter import make_interpreter, reset
from keras_diffmask.export.verification.order import order_of
from keras_diffmask.export.verification.records import LayerError
from keras_diffmask.export.verification.trace import LayerOutput, trace

# Examples that are compared: every tensor of every one is held in memory.
_EXAMPLES = 64
# A match is certain where the error is below this share of the layer's output,
# and every other layer that could be meant is so many times further off.
_CLOSE, _APART = 0.7, 1.5


@dataclass(frozen=True)
class _Recorded:
    """One operator's output over all examples, in real values."""

    op: str
    name: str
    values: np.ndarray
    scale: float | None
    is_output: int | None


def layer_errors(
    artifact: Artifact, model: Any, arrays: Sequence[np.ndarray]
) -> tuple[tuple[LayerError, ...], int]:
    """Compares the tensors inside of a file with the outputs of Keras' layers.

    Args:
        artifact: the file, run with LiteRT's reference kernels.
        model: its Keras model.
        arrays: one array of examples per input of the file.

    Returns:
        The tensors that belong to a layer for certain, and how many operators'
        outputs do not.
    """
    given = [array[:_EXAMPLES] for array in arrays]
    order = order_of(artifact, model)
    layers = trace(model, [given[place] for place in order.inputs])
    recorded = _record(artifact, given, order.outputs)
    found: list[LayerError] = []
    for tensor in recorded:
        layer = _layer_of(tensor, layers)
        if layer is not None:
            found.append(_error(tensor, layer))
    return tuple(found), len(recorded) - len(found)


def _record(
    artifact: Artifact, given: list[np.ndarray], outputs: Sequence[int]
) -> list[_Recorded]:
    """Runs the file; `outputs` are the places of its outputs in the model."""
    graph = read_subgraphs(artifact.content)[0]

    def start() -> Any:
        made = make_interpreter(artifact.content, True, preserve=True)
        made.allocate_tensors()
        return made

    interpreter = start()
    ids = [detail["index"] for detail in interpreter.get_input_details()]
    values: dict[int, list[np.ndarray]] = {
        op.outputs[0]: [] for op in graph.ops if op.outputs
    }
    for k in range(len(given[0])):
        interpreter = reset(artifact, interpreter, start)
        for index, spec, array in zip(ids, artifact.inputs, given, strict=True):
            interpreter.set_tensor(index, spec.quantize(array[k : k + 1]))
        interpreter.invoke()
        for index, collected in values.items():
            collected.append(np.array(interpreter.get_tensor(index)))
    return [
        _recorded(graph, op, values[op.outputs[0]], outputs)
        for op in graph.ops
        if op.outputs
    ]


def _recorded(
    graph: SubgraphView, op: OpView, parts: list[np.ndarray], outputs: Sequence[int]
) -> _Recorded:
    index = op.outputs[0]
    tensor = graph.tensors[index]
    # Sizes of 1 come and go: Conv1D is computed as Conv2D.
    values = np.stack(parts).astype("float64")
    scale = float(tensor.scale[0]) if tensor.scale.size == 1 else None
    if scale is not None:
        values = (values - int(tensor.zero_point[0])) * scale
    place = None
    if index in graph.outputs:
        place = outputs[graph.outputs.index(index)]
    return _Recorded(op.name, tensor.name, values, scale, place)


def _layer_of(tensor: _Recorded, layers: list[LayerOutput]) -> LayerOutput | None:
    """The layer whose output the tensor is, or None where that is not certain."""
    if tensor.is_output is not None:
        return next((one for one in layers if one.place == tensor.is_output), None)
    alike = [one for one in layers if _sizes(one.values) == _sizes(tensor.values)]
    named = [one for one in alike if _is_named(tensor.name, one)]
    # What follows a named layer may have been folded into its operator.
    folded = [one for one in alike if any(one.follows(n) for n in named)]
    candidates = named + [one for one in folded if one not in named] or alike
    if not candidates:
        return None
    ranked = sorted((_distance(tensor, one), k) for k, one in enumerate(candidates))
    nearest, best = ranked[0][0], candidates[ranked[0][1]]
    if not nearest <= _CLOSE:
        return None
    for distance, k in ranked[1:]:
        if distance >= _APART * nearest:
            break
        # As near: only certain where it is the same function, as Dropout's is. Then
        # the converter's choice counts, and of two that it names the later.
        if not _same(candidates[k], best, nearest):
            return None
        best = max(best, candidates[k], key=lambda one: (one in named, one.order))
    return best


def _sizes(values: np.ndarray) -> tuple[int, ...]:
    return tuple(size for size in values.shape[1:] if size != 1)


def _is_named(name: str, layer: LayerOutput) -> bool:
    own = re.escape(layer.name.replace(" ", "_"))
    # TensorFlow appends a number where a name was taken.
    return re.search(rf"(^|[/;]){own}(_\d+)?(?=[/;]|$)", name) is not None


def _distance(tensor: _Recorded, layer: LayerOutput) -> float:
    wanted = layer.values.reshape(tensor.values.shape)
    return _rms(tensor.values - wanted) / max(_rms(wanted), 1e-30)


def _same(one: LayerOutput, other: LayerOutput, error: float) -> bool:
    difference = one.values.reshape(-1) - other.values.reshape(-1)
    return _rms(difference) <= 0.1 * error * _rms(one.values) or not difference.any()


def _error(tensor: _Recorded, layer: LayerOutput) -> LayerError:
    size = max(_rms(layer.values), 1e-30)
    floor = None if tensor.scale is None else tensor.scale / np.sqrt(12) / size
    return LayerError(
        layer=layer.name,
        op=tensor.op,
        tensor=tensor.name,
        relative_error=_distance(tensor, layer),
        resolution=None if floor is None else float(floor),
    )


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
