"""Inline: the layers of models inside of a model, as layers of its own."""

from typing import Any

import keras
from keras import tree

from keras_diffmask import keras_internals, rebuild
from keras_diffmask.keras_internals import Call


def inlined(model: keras.Model) -> keras.Model:
    """Return the Functional model, with no Functional model inside of it.

    Inner layers keep their names, numbered where the outer model has a layer
    of that name. An inner model called twice gives layers called twice.

    Args:
        model: a Functional or Sequential model. It is not changed.

    Returns:
        The model itself where nothing is nested; else a copy.

    Raises:
        UnsupportedModelError: the model is subclassed, unbuilt or not Keras 3.
    """
    source = keras_internals.as_functional(model)
    if not any(_is_nested(call.operation) for call in keras_internals.calls(source)):
        return source
    return _Inliner(source).run()


def _is_nested(operation: Any) -> bool:
    if isinstance(operation, keras.Sequential):
        return operation.built
    return keras_internals.is_functional(operation)


class _Inliner:
    def __init__(self, source: keras.Model) -> None:
        self.source = source
        self.copies: list[tuple[Any, Any]] = []
        self.rebuilder = rebuild.Rebuilder(source, self._make, lambda old: None)
        self.own = {id(operation) for operation in source.operations}

    def run(self) -> keras.Model:
        result = self.rebuilder.run(self._perform)
        for old, new in self.copies:
            if hasattr(old, "weights"):
                new.set_weights(old.get_weights())
                rebuild.refresh(new)
        return result

    def _make(self, old: Any) -> Any:
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
        if not _is_nested(layer):
            return self.rebuilder.call(layer, args, kwargs)
        # `base(x, training=False)` speaks for every layer of the base.
        inner = keras_internals.as_functional(layer)
        inputs = tree.flatten(args[0])
        mode = kwargs.get("training", training)

        def perform(call: Call, args: tuple, kwargs: dict) -> Any:
            return self._perform(call, args, kwargs, mode)

        return keras_internals.replay(inner, inputs, perform)
