"""Inline: the layers of models and stacks inside of a model, as its own."""

import inspect
from typing import Any

import keras
from keras import tree

from keras_diffmask import keras_internals, lora, rebuild
from keras_diffmask.keras_internals import Call
from keras_diffmask.layers.of_cells import as_layer, cells_of, is_of_known_cells


def inlined(model: keras.Model) -> keras.Model:
    """Return the Functional model, with no Functional model inside of it.

    Inner layers keep their names, numbered where the outer model has a layer
    of that name. An inner model called twice gives layers called twice. An
    `RNN` over cells becomes the recurrent layers of the same function: one of
    its own name, or for stacked cells one of each cell's name. LoRA weights are
    merged into the kernels that they are added to.

    Args:
        model: a Functional or Sequential model. It is not changed.

    Returns:
        The model itself where nothing is nested or merged; else a copy.

    Raises:
        UnsupportedModelError: the model is subclassed, unbuilt or not Keras 3.
    """
    source = keras_internals.as_functional(model)
    operations = [call.operation for call in keras_internals.calls(source)]
    if not any(_is_unfolded(layer) for layer in operations):
        return source
    return _Inliner(source).run()


def _is_unfolded(operation: Any) -> bool:
    return _is_nested(operation) or _is_stack(operation) or lora.has_lora(operation)


def _is_nested(operation: Any) -> bool:
    if isinstance(operation, keras.Sequential):
        return operation.built and keras_internals.calls_as_keras_does(operation)
    return keras_internals.is_functional(operation)


def _is_stack(operation: Any) -> bool:
    """Whether it is an `RNN` that recurrent layers, one per cell, can stand for."""
    if not is_of_known_cells(operation):
        return False
    # From the second on they would read masks of time steps the wrong way round.
    return not operation.go_backwards or len(cells_of(operation)) == 1


class _Inliner:
    def __init__(self, source: keras.Model) -> None:
        self.source = source
        self.copies: list[tuple[Any, Any]] = []
        #: id of a cell -> the RNN that runs it, and what its layer has otherwise.
        self.places: dict[int, tuple[Any, dict[str, Any]]] = {}
        self.rebuilder = rebuild.Rebuilder(source, self._make, lambda old: None)
        self.own = {id(operation) for operation in source.operations}

    def run(self) -> keras.Model:
        result = self.rebuilder.run(self._perform)
        for old, new in self.copies:
            if id(old) in self.places:
                _copy_cell(old, new)
            elif hasattr(old, "weights"):
                new.set_weights(rebuild.arrays(old))
                rebuild.refresh(new)
        return result

    def _make(self, old: Any) -> Any:
        if id(old) in self.places:
            layer, place = self.places[id(old)]
            self.copies.append((old, as_layer(layer, old, **place)))
            return self.copies[-1][1]
        is_inner = id(old) not in self.own and isinstance(old, keras.layers.Layer)
        changes = {"name": self.rebuilder.free_name(old.name)} if is_inner else {}
        new = rebuild.clone(old, **changes)
        self.copies.append((old, new))
        return new

    def _perform(
        self, call: Call, args: tuple, kwargs: dict, training: bool | None = None
    ) -> Any:
        layer = call.operation
        if training is not None and keras_internals.takes_training(layer):
            kwargs = {"training": training, **kwargs}
        if _is_stack(layer):
            return self._run_cells(layer, args, kwargs)
        if not _is_nested(layer):
            return self.rebuilder.call(layer, args, kwargs)
        # `base(x, training=False)` speaks for every layer of the base.
        inner = keras_internals.as_functional(layer)
        inputs = _in_order(inner, args[0])
        mode = kwargs.get("training", training)

        def perform(call: Call, args: tuple, kwargs: dict) -> Any:
            return self._perform(call, args, kwargs, mode)

        return keras_internals.replay(inner, inputs, perform)

    def _run_cells(self, layer: Any, args: tuple, kwargs: dict) -> Any:
        """Call one recurrent layer per cell, each on what the one before gives."""
        given = inspect.signature(layer.call).bind(*args, **kwargs).arguments
        x, cells = given.pop("sequences"), cells_of(layer)
        states = given.pop("initial_state", None)
        if states is None or len(cells) == 1:
            states = [states] * len(cells)
        left: list[Any] = []
        for cell, state in zip(cells, states, strict=True):
            place: dict[str, Any] = {}
            if len(cells) > 1 and id(cell) not in self.places:
                place["name"] = self.rebuilder.free_name(cell.name)
            if cell is not cells[-1]:
                place |= {"return_sequences": True, "zero_output_for_mask": False}
            self.places.setdefault(id(cell), (layer, place))
            more = {} if state is None else {"initial_state": state}
            outputs = self.rebuilder.call(cell, (x,), {**given, **more})
            x, *after = outputs if layer.return_state else (outputs,)
            left += after
        return [x, *left] if layer.return_state else x


def _in_order(model: keras.Model, given: Any) -> list[Any]:
    """What a Functional model is called with, in the order of its inputs.

    As Keras takes them: a dict for inputs that are a list by their names, and what
    it has no input for is left out.
    """
    names = tree.map_structure(lambda tensor: tensor.name, model.input)
    if not isinstance(given, dict):
        return tree.flatten(given)
    if not isinstance(names, dict):
        return [given[name] for name in tree.flatten(names)]
    return tree.flatten({name: given[name] for name in names})


def _copy_cell(cell: Any, layer: Any) -> None:
    """Give the weights and gates of a cell to the layer that stands for it."""
    weights = rebuild.weights_without_gates(cell)
    rebuild.assign(layer, [keras.ops.convert_to_numpy(weight) for weight in weights])
    for name in ("input_gate", "hidden_gate"):
        gate = getattr(cell, name, None)
        if gate is not None:
            getattr(layer, name).set_weights(gate.get_weights())
