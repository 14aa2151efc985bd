"""Build a new model from an old one, layer by layer, out of place."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from keras_diffmask import keras_internals, lora
from keras_diffmask.errors import UnsupportedModelError
from keras_diffmask.keras_internals import Call
from keras_diffmask.vocabulary import carry_vocabularies


class Rebuilder:
    """Replays a Functional model and makes each layer anew, once.

    Args:
        model: the Functional model to replay. It is not changed.
        make: layer -> a new, unbuilt layer to take its place.
        weights: layer -> the new layer's weights, as a list of arrays, given
            once that layer is built; None leaves them initialized.
    """

    def __init__(
        self,
        model: keras.Model,
        make: Callable[[Any], Any],
        weights: Callable[[Any], list[np.ndarray] | None],
    ) -> None:
        self.model = model
        self._make = make
        self._weights = weights
        self._made: dict[int, Any] = {}
        self._names = {operation.name for operation in model.operations}
        self._given: set[str] = set()
        self._named: dict[str, Any] = {}

    def free_name(self, wanted: str) -> str:
        """`wanted`, numbered where the model has a layer of that name."""
        name, number = wanted, 0
        while name in self._names:
            number += 1
            name = f"{wanted}_{number}"
        self._names.add(name)
        self._given.add(name)
        return name

    def name_after(self, old: Any, outputs: Any) -> None:
        """Give a new operator of the kind of `old`, which it replaces, its name."""
        new = keras_internals.maker_of(keras.tree.flatten(outputs)[0])
        is_operator = type(new) is type(old) and not isinstance(old, keras.layers.Layer)
        # One that is called twice is replaced by two: the first bears its name.
        if is_operator and id(old) not in self._made and old.name not in self._named:
            new.name = old.name
            self._named[old.name] = new

    def layer(self, old: Any) -> Any:
        """The new layer that takes the place of `old`."""
        if id(old) not in self._made:
            self._made[id(old)] = self._make(old)
        return self._made[id(old)]

    def call(self, old: Any, args: tuple, kwargs: dict) -> Any:
        """Call the new layer, and give it its weights at its first call."""
        fresh = id(old) not in self._made
        new = self.layer(old)
        values = self._weights(old) if fresh else None
        if values is None:
            return new(*args, **kwargs)
        with cheap_weights(new):
            outputs = new(*args, **kwargs)
        assign(new, values)
        return outputs

    def run(
        self,
        perform: Callable[[Call, tuple, dict], Any] | None = None,
        model_class: type[keras.Model] = keras.Model,
        prepare: Callable[[list[Any]], list[Any]] | None = None,
    ) -> keras.Model:
        """Replay all calls and return the new model.

        Args:
            perform: makes one call; by default `self.call` of its operation.
            model_class: class of the result.
            prepare: new input tensors -> what the graph starts from instead.
        """
        structure, flat = keras_internals.fresh_inputs(self.model)
        start = prepare(flat) if prepare else flat

        def default(call: Call, args: tuple, kwargs: dict) -> Any:
            return self.call(call.operation, args, kwargs)

        outputs = keras_internals.replay(self.model, start, perform or default)
        self._name_what_is_new(outputs)
        return model_class(structure, outputs, name=self.model.name)

    def _name_what_is_new(self, outputs: Any) -> None:
        """Number operators that bear a name of the model's, such as "take"."""
        known = {id(one) for one in (*self._made.values(), *self._named.values())}
        # Before the loop: it gives names of its own, to one operator each.
        given = set(self._given)
        for operator in keras_internals.operators_of(outputs):
            if id(operator) not in known and operator.name not in given:
                operator.name = self.free_name(operator.name)


def clone(layer: Any, /, **changes: Any) -> Any:
    """A new layer of the same class, not yet built; LoRA weights are merged.

    Args:
        layer: a layer or operator.
        **changes: what its configuration has in other words.
    """
    config = layer.get_config()
    if lora.has_lora(layer):
        config = lora.without_lora(config)
    with keras_internals.trusting():
        new = type(layer).from_config({**config, **changes})
    carry_vocabularies(layer, new)
    return new


def arrays(layer: Any) -> list[np.ndarray]:
    """The weights of `clone(layer)`, as it; [] for an operation without any."""
    return lora.merged(layer, getattr(layer, "weights", []))


def assign(layer: Any, values: list[np.ndarray] | dict[str, np.ndarray]) -> None:
    """Set the layer's weights, in order or by name, its gates' own left out.

    Raises:
        UnsupportedModelError: they are not those of the layer.
    """
    targets = weights_without_gates(layer)
    names = [variable.name for variable in targets]
    if isinstance(values, dict):
        if set(names) != set(values):
            raise _no_copy(layer, f"weights {sorted(values)}, not {sorted(names)}")
        values = [values[name] for name in names]
    if len(values) != len(targets):
        raise _no_copy(layer, f"{len(values)} weights, not {len(targets)}")
    for variable, value in zip(targets, values, strict=True):
        shape = tuple(variable.shape)
        if shape != np.shape(value):
            found = f"{variable.name} of shape {np.shape(value)}, not {shape}"
            raise _no_copy(layer, found)
        variable.assign(value)
    refresh(layer)


def _no_copy(layer: Any, found: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"a layer whose configuration makes another with its weights, for the copy of "
        f"{type(layer).__name__} {layer.name!r}",
        found,
        "If Keras' quantize() changed it, mask and strip the model of floats and "
        "quantize the result; else complete its get_config and build.",
    )


def refresh(layer: Any) -> None:
    """Let layers that hold more than their weights take it from them anew."""
    is_layer = isinstance(layer, keras.layers.Layer)
    for inner in [layer, *keras_internals.flatten_layers(layer)] if is_layer else []:
        # Normalization computes with copies of the statistics in its weights.
        if isinstance(inner, keras.layers.Normalization) and inner.built:
            inner.finalize_state()


def weights_without_gates(layer: Any) -> list[Any]:
    """The weights that a masked layer shares with its Keras parent, in order."""
    if not isinstance(layer, keras.layers.Layer):
        return []
    inner = keras_internals.flatten_layers(layer)
    apart = [one for one in inner if getattr(one, "is_apart", False)]
    owned = {id(weight) for one in apart for weight in one.weights}
    return [weight for weight in layer.weights if id(weight) not in owned]


def arrays_without_gates(layer: Any) -> list[np.ndarray]:
    """What `assign` takes: those weights as NumPy arrays."""
    return lora.merged(layer, weights_without_gates(layer))


def require_finite(model: keras.Model) -> None:
    """Refuse a model with NaN or infinite weights.

    Raises:
        UnsupportedModelError: naming the first such weight.
    """
    for weight in model.weights:
        if not np.all(np.isfinite(keras.ops.convert_to_numpy(weight).astype(float))):
            raise UnsupportedModelError(
                "finite weights",
                f"NaN or infinity in {weight.path!r} of model {model.name!r}",
                "Load the last checkpoint before training diverged.",
            )


_RANDOM = (
    keras.initializers.VarianceScaling,
    keras.initializers.RandomNormal,
    keras.initializers.RandomUniform,
    keras.initializers.TruncatedNormal,
    keras.initializers.Orthogonal,
)


@contextmanager
def cheap_weights(layer: Any) -> Iterator[None]:
    """Within it, the layer is built with zeros, for whoever assigns its weights.

    Drawing random kernels takes a sixth of the time that a copy of a model does.
    """
    initializers = {
        name: value
        for name, value in vars(layer).items()
        if name.endswith("_initializer") and isinstance(value, _RANDOM)
    }
    try:
        for name in initializers:
            setattr(layer, name, keras.initializers.Zeros())
        yield
    finally:
        for name, value in initializers.items():
            setattr(layer, name, value)
