"""Whether a model can be computed one step at a time. Never imports TensorFlow.

A tensor either belongs to a step (it has the axis of steps, of which a call sees
one) or sums up all steps so far, as the last output of an LSTM does. What reads
the former must treat every step alike and alone; the latter anything may read.
"""

from typing import Any

import keras
import numpy as np

from keras_diffmask import keras_internals
from keras_diffmask.errors import UnsupportedModelError
from keras_diffmask.export.emit.recurrent import Recurrence, with_inner

_layers = keras.layers

# Each unit, or each step, by itself.
_STEPWISE = (
    _layers.Activation,
    _layers.ActivityRegularization,
    _layers.Add,
    _layers.AlphaDropout,
    _layers.Average,
    _layers.Dense,
    _layers.Dropout,
    _layers.ELU,
    _layers.Embedding,
    _layers.GaussianDropout,
    _layers.GaussianNoise,
    _layers.Identity,
    _layers.LeakyReLU,
    _layers.Maximum,
    _layers.Minimum,
    _layers.Multiply,
    _layers.ReLU,
    _layers.Rescaling,
    _layers.SpatialDropout1D,
    _layers.Subtract,
    _layers.TimeDistributed,
)
# The same where they work on the last axis.
_LAST_AXIS = (
    _layers.BatchNormalization,
    _layers.Concatenate,
    _layers.LayerNormalization,
    _layers.RMSNormalization,
    _layers.Softmax,
)
_OPERATORS = keras_internals.operation_classes(
    *("Absolute Add Cast Clip Divide Elu Exp Gelu HardSigmoid HardSilu HardTanh "
      "LeakyRelu Log Maximum Minimum Multiply Negative Relu Relu6 Sigmoid Silu "
      "Softplus Softsign Sqrt Square Subtract Tanh TrueDivide").split()
)  # fmt: skip
_OPERATORS_LAST_AXIS = keras_internals.operation_classes(
    "Concatenate", "Softmax", "Take"
)
_TAKE = keras_internals.operation_classes("Take")


def check_streaming(model: Any, found: list[Recurrence]) -> None:
    """Raises when `model` can't take one step per call.

    Args:
        model: a Functional or Sequential model.
        found: its recurrent layers.

    Raises:
        UnsupportedModelError: there is no LSTM; a recurrent layer has no fused
            form, which alone carries state; an input is no sequence; or a layer
            needs several steps at once.
    """
    if not found:
        raise _refuse(
            "at least one LSTM with streaming=True",
            f"model '{model.name}' without a recurrent layer",
            "Convert it without streaming=True.",
        )
    for recurrence in found:
        if not recurrence.fused:
            why = "; ".join(filter(None, recurrence.reasons))
            raise _refuse(
                "LSTMs that TFLite can fuse with streaming=True: the fused operator "
                "alone carries its state from call to call",
                f"layer '{recurrence.layer.name}' ({why})",
                "Give the model its state as an input and an output instead, with "
                "initial_state=, return_state=True and an Input of one step, and "
                "convert it without streaming=True.",
            )
    lengths = {tensor.shape[1] for tensor in model.inputs if len(tensor.shape) > 1}
    for tensor in model.inputs:
        is_vector = len(tensor.shape) < 3 and "float" in tensor.dtype
        # Of inputs of several lengths the longest ones are the sequences.
        is_short = len(lengths) > 1 and tensor.shape[1] != _longest(lengths)
        if is_vector or len(tensor.shape) < 2 or is_short:
            raise _refuse(
                "sequences of one length as the only inputs with streaming=True",
                f"input '{tensor.name}' of shape {tuple(tensor.shape)}",
                "Repeat it at every step as part of the sequence.",
            )
    graph = keras_internals.as_functional(model)
    _walk(graph, [True] * len(graph.inputs))


def _longest(lengths: set[int | None]) -> int | None:
    return None if None in lengths else max(filter(None, lengths))


def _walk(graph: Any, stepped: list[bool]) -> list[bool]:
    """Which outputs of a graph belong to a step, given which inputs do."""
    known = {id(t): s for t, s in zip(graph.inputs, stepped, strict=True)}
    for call in keras_internals.calls(graph):
        if not call.inputs:
            continue
        given = [known[id(t)] for t in call.inputs]
        known.update(
            (id(t), s) for t, s in zip(call.outputs, _after(call, given), strict=True)
        )
    return [known[id(t)] for t in graph.outputs]


def _after(call: Any, given: list[bool]) -> list[bool]:
    operation = call.operation
    if hasattr(operation, "layers"):
        return _walk(keras_internals.as_functional(operation), given)
    if isinstance(operation, _layers.RNN):
        if not given[0]:
            raise _needs_steps(operation, "reads a sequence made inside the model")
        if operation.go_backwards:
            raise _needs_steps(operation, "begins with the last step")
        return [operation.return_sequences] + [False] * (len(call.outputs) - 1)
    if not any(given):
        return [False] * len(call.outputs)
    if isinstance(operation, _layers.Bidirectional):
        raise _needs_steps(operation, "reads the sequence from its end too")
    if not all(given) or len({len(tensor.shape) for tensor in call.inputs}) > 1:
        raise _needs_steps(operation, "joins a step with what is no step")
    if any(_varies_by_step(value, call) for value in _constants(call)):
        raise _needs_steps(operation, "holds another constant for each step")
    if isinstance(operation, _STEPWISE + _OPERATORS) and _is_alone(call):
        return [True] * len(call.outputs)
    if isinstance(operation, _LAST_AXIS + _OPERATORS_LAST_AXIS):
        rank = len(call.outputs[0].shape)
        axis = operation.axis
        axes = axis if isinstance(axis, (list, tuple)) else (axis,)
        if rank > 2 and all(a in (-1, rank - 1) for a in axes):
            return [True] * len(call.outputs)
    raise _needs_steps(operation, "works on several steps at once")


def _constants(call: Any) -> list[Any]:
    """Arrays that a call holds beside its tensors."""
    operation, arguments = call.operation, call.arguments
    found: list[Any] = []
    for value in (*arguments.args, *arguments.kwargs.values()):
        leaves = keras.tree.flatten(value)
        if any(isinstance(leaf, keras.KerasTensor) for leaf in leaves):
            found += leaves
        elif not isinstance(operation, _TAKE):
            found.append(value)
    if isinstance(operation, _layers.Rescaling):
        found += [operation.scale, operation.offset]
    elif isinstance(operation, _OPERATORS):
        # Such as the limits of a Clip.
        found += [v for name, v in vars(operation).items() if name[0] != "_"]
    return [value for value in found if not isinstance(value, keras.KerasTensor)]


def _varies_by_step(value: Any, call: Any) -> bool:
    """Whether a constant, broadcast against the outputs, lies along the steps."""
    try:
        shape = tuple(np.shape(value))
    except ValueError:
        return False
    place = len(call.outputs[0].shape) - 1
    return len(shape) >= place and shape[-place] != 1


def _is_alone(call: Any) -> bool:
    """Whether what a layer does to a step depends on no other step."""
    operation, rank = call.operation, len(call.inputs[0].shape)
    if isinstance(operation, _layers.TimeDistributed):
        inside = with_inner(operation.layer)
        kinds = (_layers.RNN, _layers.Bidirectional)
        if any(isinstance(layer, kinds) for layer in inside):
            reason = "runs a recurrent layer anew at every step"
            raise _needs_steps(operation, reason)
    if isinstance(operation, (_layers.TimeDistributed, _layers.Dense)) and rank < 3:
        return False
    function = getattr(operation, "activation", None)
    return function is None or _works_by_step(function, rank)


def _works_by_step(function: Any, rank: int) -> bool:
    """Asked of numbers: an activation may be any function."""
    x = np.random.default_rng(0).normal(size=(1, 4, 3, 3, 3)[:rank]).astype("float32")
    try:
        whole, *steps = (
            keras.ops.convert_to_numpy(function(keras.ops.convert_to_tensor(part)))
            for part in (x, *np.split(x, 4, axis=1))
        )
        joined = np.concatenate(steps, axis=1)
    except Exception:  # of a function of the user's
        return False
    return whole.shape == joined.shape and np.allclose(whole, joined, atol=1e-5)


def _needs_steps(operation: Any, why: str) -> UnsupportedModelError:
    return _refuse(
        "layers that take one step at a time with streaming=True",
        f"'{operation.name}' ({type(operation).__name__}), which {why}",
        "Compute it before or after the model, or convert without streaming=True.",
    )


def _refuse(expected: str, received: str, next_step: str) -> UnsupportedModelError:
    return UnsupportedModelError(expected, received, next_step)
