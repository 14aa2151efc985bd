"""A Keras 3 model from the graph and the weights of a Keras 2 model."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_diffmask.errors import UnsupportedModelError
from keras_diffmask.export.interop.settings import MODELS, translated

#: Layer, call, output: how Keras 2 names a tensor.
_Place = tuple[str, int, int]
#: Arguments of a call that say no more than the defaults do.
_SAYS_NOTHING = (None, False)


def assembled(model: dict[str, Any], weights: Mapping[str, np.ndarray]) -> keras.Model:
    """Build the Keras 3 model and give it the weights.

    Args:
        model: class name and configuration, as Keras 2 serializes them.
        weights: `place/of/layer/index` -> array, by names of layers, those of
            models inside of models one after the other.

    Raises:
        UnsupportedModelError: naming what Keras 3 has no equal for.
    """
    made = _model(model)
    _assign(made, weights, "")
    return made


def _model(model: dict[str, Any]) -> keras.Model:
    if model["class_name"] == "Sequential":
        return _sequential(model["config"])
    return _Graph(model["config"]).model()


def _made(layer: dict[str, Any]) -> Any:
    return _model(layer) if layer["class_name"] in MODELS else translated(layer)


def _sequential(config: dict[str, Any]) -> keras.Model:
    listed = config["layers"]
    head = [layer for layer in listed if layer["class_name"] == "InputLayer"][:1]
    rest = [layer for layer in listed if layer["class_name"] != "InputLayer"]
    if head:
        first = _input(head[0]["config"])
    elif config.get("build_input_shape"):
        first = keras.Input(batch_shape=config["build_input_shape"])
    else:
        raise UnsupportedModelError(
            "a built model",
            f"the Sequential model {config['name']!r} with no known input shape",
            "Call model.build(shape) in tf_keras and save it again.",
        )
    return keras.Sequential([first, *map(_made, rest)], name=config["name"])


def _input(config: dict[str, Any]) -> Any:
    if config.get("sparse") or config.get("ragged"):
        raise UnsupportedModelError(
            "dense inputs",
            f"the sparse or ragged input {config['name']!r}",
            "Make it dense in tf_keras and save the model again.",
        )
    shape = config.get("batch_input_shape") or config["batch_shape"]
    return keras.Input(batch_shape=shape, dtype=config["dtype"], name=config["name"])


class _Graph:
    """Calls new layers in the order in which their inputs come to be."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.tensors: dict[_Place, Any] = {}
        self.layers: dict[str, Any] = {}
        self.waiting: list[tuple[str, int, list[Any]]] = []

    def model(self) -> keras.Model:
        for layer in self.config["layers"]:
            name = layer["config"].get("name") or layer["name"]
            if layer["class_name"] == "InputLayer":
                self.tensors[name, 0, 0] = _input(layer["config"])
                continue
            self.layers[name] = _made(layer)
            # A model inside of a model counts the call that made it as its first.
            first = int(layer["class_name"] in MODELS)
            for number, call in enumerate(layer["inbound_nodes"]):
                self.waiting.append((name, first + number, call))
        while self.waiting:
            ready = [entry for entry in self.waiting if self._is_ready(entry[2])]
            for name, number, call in ready:
                self._call(name, number, call)
            self.waiting = [entry for entry in self.waiting if entry not in ready]
            if not ready:
                name = self.waiting[0][0]
                raise _unlike_call(name, "inputs that no layer of the model gives")
        return keras.Model(
            self._at(self.config["input_layers"]),
            self._at(self.config["output_layers"]),
            name=self.config["name"],
        )

    def _is_ready(self, call: list[Any]) -> bool:
        return all(tuple(place[:3]) in self.tensors for place in _places(call))

    def _call(self, name: str, number: int, call: list[Any]) -> None:
        places = _places(call)
        for place in places:
            more = place[3] if len(place) > 3 else {}
            for key, value in more.items():
                if value not in _SAYS_NOTHING:
                    raise _unlike_call(name, f"the call argument {key!r}")
        given = [self.tensors[tuple(place[:3])] for place in places]
        outputs = self.layers[name](given[0] if len(given) == 1 else given)
        for index, tensor in enumerate(keras.tree.flatten(outputs)):
            self.tensors[name, number, index] = tensor

    def _at(self, places: Any) -> Any:
        """Tensors in the structure of their places."""
        if isinstance(places, dict):
            return {key: self._at(value) for key, value in places.items()}
        if places and isinstance(places[0], str):
            return self.tensors[tuple(places)]
        found = [self._at(place) for place in places]
        return found[0] if len(found) == 1 else found


def _places(call: Any) -> list[Any]:
    """Where the inputs of one call come from; one input may stand unwrapped."""
    if isinstance(call, dict):
        (call,) = call.values()
    return [call] if call and isinstance(call[0], str) else list(call)


def _unlike_call(name: str, what: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        "layers that are called on the outputs of other layers alone",
        f"layer {name!r} with {what}",
        "Write it as a layer of its own in tf_keras and save the model again.",
    )


def _assign(model: keras.Model, weights: Mapping[str, np.ndarray], place: str) -> None:
    for layer in model.layers:
        at = f"{place}{layer.name}/"
        if isinstance(layer, keras.Model):
            _assign(layer, weights, at)
            continue
        count = len(layer.weights)
        found = [weights[f"{at}{k}"] for k in range(count) if f"{at}{k}" in weights]
        shapes = [tuple(weight.shape) for weight in layer.weights]
        if [array.shape for array in found] != shapes or f"{at}{count}" in weights:
            raise UnsupportedModelError(
                f"weights of shapes {shapes} for layer {layer.name!r}",
                f"{[array.shape for array in found]} from Keras 2",
                "Rebuild this layer in Keras 3 and copy its weights by hand.",
            )
        layer.set_weights(found)
