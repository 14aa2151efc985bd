"""The one file that touches what Keras keeps private.

Everything else in the library goes through these functions, so that a Keras
release that moves something is mended here and nowhere else.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
from keras import tree
from keras.src import ops as _operations
from keras.src.applications.convnext import LayerScale as LayerScale
from keras.src.applications.convnext import StochasticDepth as StochasticDepth
from keras.src.applications.inception_resnet_v2 import (
    CustomScaleLayer as CustomScaleLayer,
)
from keras.src.backend import common
from keras.src.models import functional
from keras.src.models.functional import operation_fn as operation_fn
from keras.src.saving import serialization_lib

from keras_diffmask.errors import UnsupportedModelError
from keras_diffmask.refused_models import not_keras_3, unbuilt


@dataclass(frozen=True, eq=False)
class Call:
    """One call of an operation in a Functional model.

    Attributes:
        operation: the Keras layer or operation that was called.
        inputs: the symbolic tensors it took, flattened, masks left out.
        outputs: the symbolic tensors it gave, flattened.
        arguments: Keras' record of positional and keyword arguments.
        masks: the masks of time steps that it took. Behind `Masking` Keras
            computes them by operators of the graph and passes them on.
    """

    operation: Any
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    arguments: Any
    masks: tuple[Any, ...] = ()


def is_functional(model: Any) -> bool:
    """Whether the model is a graph of calls, and its `call` runs that graph.

    A subclass with a `train_step` of its own is one; a subclass with a `call`
    of its own may compute something else than its graph says.
    """
    if not isinstance(model, keras.Model) or not hasattr(model, "_nodes_by_depth"):
        return False
    return calls_as_keras_does(model)


def calls_as_keras_does(layer: Any) -> bool:
    """Whether the class has no `call` of its own, but one of Keras' or of ours."""
    owner = next(base for base in type(layer).__mro__ if "call" in vars(base))
    return owner.__module__.partition(".")[0] in ("keras", "keras_diffmask")


def as_functional(model: keras.Model) -> keras.Model:
    """Return `model`, or the Functional model that a Sequential stands for.

    Raises:
        UnsupportedModelError: it is neither, or has not been built.
    """
    if isinstance(model, keras.Sequential) and calls_as_keras_does(model):
        if not model.built or not getattr(model, "_functional", None):
            raise unbuilt(model)
        return model._functional
    if is_functional(model):
        return model
    if not isinstance(model, keras.Model):
        raise not_keras_3(model)
    raise UnsupportedModelError(
        "a Sequential or Functional model",
        f"the subclassed model {type(model).__name__!r}, whose graph Keras does "
        "not record",
        "Rebuild it with the Functional API: keras.Model(inputs, outputs).",
    )


def calls(model: keras.Model) -> Iterator[Call]:
    """Every call in the model's graph, producers before consumers."""
    by_depth = model._nodes_by_depth
    for depth in sorted(by_depth, reverse=True):
        for node in by_depth[depth]:
            given = node.arguments.kwargs
            masks = tree.flatten([v for k, v in given.items() if k.endswith("mask")])
            masks = [x for x in masks if isinstance(x, keras.KerasTensor)]
            known = {id(mask) for mask in masks}
            inputs = [x for x in node.input_tensors if id(x) not in known]
            yield Call(
                node.operation,
                tuple(inputs),
                tuple(node.outputs),
                node.arguments,
                tuple(masks),
            )


def replay(
    model: keras.Model,
    inputs: list[Any],
    perform: Callable[[Call, tuple, dict], Any],
) -> Any:
    """Walk the graph on new tensors and return its outputs' structure.

    Args:
        model: a Functional model.
        inputs: symbolic tensors to use in place of `model.inputs`.
        perform: makes one call; gets the call and its arguments with the new
            tensors filled in, the first by position; returns its output
            structure. A value of None in the result marks a tensor that the
            new graph does not have.

    Returns:
        The new output tensors in the structure of the model's outputs.
    """
    produced = {id(old): new for old, new in zip(model.inputs, inputs, strict=True)}
    for call in calls(model):
        if not call.inputs:
            continue
        args, kwargs = call.arguments.fill_in(produced)
        if not args:
            # `layer(inputs=x)` is `layer(x)`.
            first = next(iter(inspect.signature(call.operation.call).parameters))
            args = (kwargs.pop(first),) if first in kwargs else ()
        outputs = perform(call, args, kwargs)
        flat = [None] * len(call.outputs) if outputs is None else tree.flatten(outputs)
        for old, new in zip(call.outputs, flat, strict=True):
            produced[id(old)] = new
    flat_outputs = [produced[id(tensor)] for tensor in model.outputs]
    return tree.pack_sequence_as(model._outputs_struct, flat_outputs)


def run(
    model: keras.Model,
    inputs: Any,
    mask: Any,
    perform: Callable[[Call, tuple, dict], Any],
) -> Any:
    """What a Functional model's own `call` does, with calls made by `perform`.

    Args:
        model: a Functional model.
        inputs: tensors in any structure that the model takes.
        mask: masks of time steps in that structure, or None.
        perform: as for `replay`.
    """
    flat = model._standardize_inputs(inputs)
    # As many as there are: Keras is not strict about masks either.
    for tensor, one in zip(flat, tree.flatten(mask), strict=False):
        if one is not None:
            common.masking.set_keras_mask(tensor, one)
    # Variables that `perform` reads come as they are, not in the model's 16 bits;
    # every layer sees to its own.
    with common.variables.AutocastScope(None):
        return functional.unpack_singleton(replay(model, flat, perform))


def operators_of(outputs: Any) -> list[Any]:
    """The operators, as opposed to layers, that symbolic tensors come from."""
    found: dict[int, Any] = {}
    seen: set[int] = set()
    waiting = tree.flatten(outputs)
    while waiting:
        history = waiting.pop()._keras_history
        node = history.operation._inbound_nodes[history.node_index]
        if id(node) not in seen:
            seen.add(id(node))
            found[id(history.operation)] = history.operation
            waiting += node.input_tensors
    # Backwards, so that the first in the model is the first here.
    return [
        operation
        for operation in reversed(found.values())
        if not isinstance(operation, keras.layers.Layer)
    ]


def trusting() -> Any:
    """Within it, a configuration may hold Python code, such as a Lambda's.

    For copies of layers that are in memory already: Keras' safe mode guards
    the reading of files, and whoever could read this one has run its code.
    """
    return serialization_lib.SafeModeScope(safe_mode=False)


def fresh_inputs(model: keras.Model) -> tuple[Any, list[Any]]:
    """New Input tensors like the model's: their structure, and a flat list."""
    structure = tree.map_structure(_input_like, model._inputs_struct)
    return structure, tree.flatten(structure)


def maker_of(tensor: Any) -> Any:
    """The operation whose output a symbolic tensor is; None for any other tensor."""
    history = getattr(tensor, "_keras_history", None)
    return None if history is None else history.operation


def _input_like(tensor: Any) -> Any:
    layer = maker_of(tensor)
    return keras.Input(
        batch_shape=tensor.shape,
        dtype=tensor.dtype,
        # The tensor's own name is a counter's.
        name=layer.name,
        sparse=tensor.sparse,
        ragged=tensor.ragged,
        optional=layer.optional,
    )


def flatten_layers(model: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The model's layers at every depth of nesting, itself left out."""
    return list(model._flatten_layers(include_self=False, recursive=True))


def stored_weight(layer: keras.layers.Layer, name: str) -> Any:
    """The variable behind `layer.kernel` or `layer.embeddings`.

    With LoRA these two are sums, and no variables.
    """
    return getattr(layer, f"_{name}")


def mask_of(tensor: Any) -> Any:
    """The mask of samples or time steps that Keras attached to a tensor, or None.

    Keras fills the argument `mask` of a call with it, but only where the call
    has one tensor argument: a `gate_mask` is a second.
    """
    return common.masking.get_keras_mask(tensor)


def hand_on_mask(source: Any, target: Any) -> None:
    """Attach to `target` the mask that Keras attached to `source`, if any."""
    if mask_of(source) is not None:
        common.masking.set_keras_mask(target, mask_of(source))


def in_training_call(layer: keras.layers.Layer) -> bool:
    """Whether the outermost call in progress runs in training mode."""
    return bool(layer._get_call_context().training)


def is_first_in_step(layer: keras.layers.Layer) -> bool:
    """Whether this is the layer's first call in the call of the whole model.

    Later ones are of a shared layer, or of a model that another calls twice. Asked
    while a graph is traced: the answer is part of the graph.
    """
    call: Any = common.global_state.get_global_attribute("current_call_ctx")
    if common.stateless_scope.in_stateless_scope():
        # JAX runs the model's `call`: each of its layers is the first to be called.
        call = common.stateless_scope.get_stateless_scope()
    # What a symbolic call does to variables is forgotten.
    if call is None or common.symbolic_scope.in_symbolic_scope():
        return True
    seen = vars(call).setdefault("_diffmask_seen", set())
    count = len(seen)
    seen.add(id(layer))
    return len(seen) > count


def pull_state(model: keras.Model) -> None:
    """Make variables readable and writable from a callback between batches.

    The JAX trainer holds them outside of the model while it trains.
    """
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()


def uses_weight_decay(optimizer: Any, variable: Any) -> bool:
    """Whether an optimizer that has weight decay lets this variable decay."""
    return optimizer._use_weight_decay(variable)


def takes_training(layer: Any) -> bool:
    """Whether a layer's `call` has an argument `training`."""
    return bool(getattr(layer, "_call_has_training_arg", False))


def operation_classes(*names: str) -> tuple[type, ...]:
    """The classes of operators such as `Add`, which `x + y` makes nodes of."""
    modules = (_operations.numpy, _operations.nn, _operations.core, _operations.math)
    return tuple(
        getattr(module, name)
        for name in names
        for module in modules
        if isinstance(getattr(module, name, None), type)
    )
