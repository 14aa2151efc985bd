"""What the laws range over: every estimator, layer and granularity there is.

The tables hold only what no registry can know, such as how an example of each
layer is made (in `masked_examples`).
"""

import inspect
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_diffmask import Gate, estimators, layers, regularizers
from keras_diffmask import granularity as granularities
from keras_diffmask.keras_internals import flatten_layers
from tests.laws.masked_examples import EXAMPLES, Example
from tests.laws.wrappers import OfOneInput, SelfAttention

#: Registry name -> arguments beside the defaults that have laws of their own.
ESTIMATOR_VARIANTS: dict[str, tuple[dict[str, Any], ...]] = {
    "straight_through": ({}, {"bernoulli": True}),
    "hard_concrete": ({}, {"inference_rule": "median"}),
    "soft_threshold": ({},),
    "operation_aware": ({},),
    "gumbel_sigmoid": ({}, {"hard": False}),
    "differentiable_mask": ({}, {"form": "mask"}),
}


def _name(name: str, arguments: dict[str, Any]) -> str:
    return "-".join([name, *(str(v) for v in arguments.values())])


#: Readable name -> configuration of an estimator, to be made afresh each time.
ESTIMATORS = {
    _name(name, arguments): (name, arguments)
    for name in estimators.ALL_OBJECTS
    for arguments in ESTIMATOR_VARIANTS.get(name, ({},))
}


#: Those that differ in training: another inference rule trains the same.
TRAINED_ESTIMATORS = [
    key for key, (_, more) in ESTIMATORS.items() if "inference_rule" not in more
]

#: Those whose gates open one by one, and are all open at the start.
INDEPENDENT_ESTIMATORS = [
    key
    for key, (name, _) in ESTIMATORS.items()
    if not estimators.ALL_OBJECTS[name].has_fixed_count
]

#: Logits that close a gate, where the lowest of the range do not.
CLOSED_LOGITS = {"DifferentiableMask": 0.01}


def closed_logit(estimator: estimators.Estimator) -> float:
    """A logit at which inference closes a gate."""
    low = estimator.logit_range[0]
    return CLOSED_LOGITS.get(type(estimator).__name__, low)


#: Those with a logit per unit of their own, which a gate without a layer can have.
LOGIT_ESTIMATORS = [
    key
    for key, (name, more) in ESTIMATORS.items()
    if not estimators.ALL_OBJECTS[name](**more).reads
]


def make_estimator(key: str, **more: Any) -> estimators.Estimator:
    name, arguments = ESTIMATORS[key]
    return estimators.ALL_OBJECTS[name](**{**arguments, **more})


def make_penalty(key: str, strength: float) -> regularizers.GateRegularizer:
    """L0, or what an estimator that keeps a given number takes in its place."""
    kind = regularizers.L0 if key in INDEPENDENT_ESTIMATORS else regularizers.Entropy
    return kind(strength)


@dataclass(frozen=True)
class Case:
    """One layer, one granularity, one set of arguments."""

    layer_class: type[keras.layers.Layer]
    granularity: str
    example: Example

    def __str__(self) -> str:
        return "-".join(
            [self.layer_class.__name__, self.granularity, self.example.label]
        )

    @property
    def is_cell(self) -> bool:
        return "states" in inspect.signature(self.layer_class.call).parameters

    @property
    def is_recurrent(self) -> bool:
        return "hidden_estimator" in self.gate_arguments("hard_concrete")

    def gate_arguments(self, estimator: Any) -> dict[str, Any]:
        """The arguments by which this layer takes an estimator for every gate."""
        names = set()
        for cls in self.layer_class.__mro__:
            names |= set(inspect.signature(cls.__init__).parameters)
        chosen = {n: estimator for n in sorted(names) if n.endswith("estimator")}
        if "granularity" in names:
            chosen["granularity"] = self.granularity
        return chosen

    def takes(self, key: str) -> bool:
        """Whether an estimator of the table means anything here."""
        estimator = make_estimator(key)
        carrier = estimator.carrier or keras.layers.Layer
        fits = granularities.kind(self.granularity) in estimator.granularities
        return fits and issubclass(self.layer_class, carrier)

    def bare(self, estimator: Any = "hard_concrete", **more: Any) -> Any:
        """The masked layer itself (a cell stays a cell)."""
        arguments = {**self.example.arguments, **self.gate_arguments(estimator), **more}
        return self.layer_class(**arguments)

    def layer(self, estimator: Any = "hard_concrete", **more: Any) -> Any:
        """The masked layer, a cell inside of the `RNN` that runs it."""
        return self._wrap(self.bare(estimator, **more), more)

    def plain(self, **more: Any) -> Any:
        """The Keras layer that the masked one stands for."""
        stock = self.layer_class.stock_class
        if stock is keras.layers.Layer:
            return keras.layers.Identity(**more)
        return self._wrap(stock(**{**self.example.arguments, **more}), more)

    def wrapper(self, layer: Any) -> tuple[Any, dict[str, Any]]:
        """What runs the layer on one input: a class and arguments, or None."""
        if self.is_cell:
            return keras.layers.RNN, {"cell": layer, "return_sequences": True}
        if isinstance(layer, keras.layers.MultiHeadAttention):
            return SelfAttention, {"attention": layer}
        if isinstance(layer, keras.layers.Add):
            return OfOneInput, {"merge": layer}
        return None, {}

    def _wrap(self, layer: Any, more: dict[str, Any]) -> Any:
        wrapper, arguments = self.wrapper(layer)
        if wrapper is None:
            return layer
        return wrapper(**arguments, **{k: more[k] for k in ("dtype",) if k in more})

    def inputs(self, seed: int = 0, batch: int = 8) -> np.ndarray:
        rng = np.random.default_rng(seed)
        shape = (batch, *self.example.shape)
        if self.example.tokens:
            return rng.integers(self.example.tokens, size=shape).astype("float32")
        return rng.normal(size=shape).astype("float32")

    def model(self, layer: Any) -> keras.Model:
        x = keras.Input(self.example.shape)
        return keras.Model(x, layer(x))


#: What a law calls a granularity: blocks that do not divide most kernels.
LEVELS = {name: name for name in granularities.NAMES} | {"block": "block:2x3"}

#: Their examples differ in what a mask on parts of the kernel does not touch.
BETWEEN = ("kernel", "block", "input")


def cases(first_only: bool = False) -> list[Case]:
    """Every layer, granularity and example; or only each layer's first example."""
    return [
        Case(layer_class, LEVELS[name], example)
        for layer_class in layers.ALL_OBJECTS
        for name in layer_class.granularities
        for example in EXAMPLES[layer_class][
            : 1 if first_only or name in BETWEEN else None
        ]
    ]


#: What the example varies is the layer's business, not the backend's: beside
#: TensorFlow the first of each is enough.
CASES = cases(first_only=keras.backend.backend() != "tensorflow")
FIRST_CASES = cases(first_only=True)


def one_per_layer(turn: int = 0) -> list[Case]:
    """Each layer once, at one granularity; they take turns, so that all have one."""
    chosen = []
    for place, layer_class in enumerate(layers.ALL_OBJECTS):
        of_layer = [case for case in FIRST_CASES if case.layer_class is layer_class]
        chosen.append(of_layer[(turn + place) % len(of_layer)])
    return chosen


UNIT_CASES = [
    case
    for case in CASES
    if case.granularity == "channel" and case.example.unit_axis is not None
]


def branches(cases_and_layers: list[tuple[Case, Any]]) -> keras.Model:
    """One model with a branch per layer: one compilation serves all of them."""
    inputs = [keras.Input(case.example.shape) for case, _ in cases_and_layers]
    pairs = zip(inputs, cases_and_layers, strict=True)
    return keras.Model(inputs, [layer(x) for x, (_, layer) in pairs])


def run(layer: Any, x: np.ndarray, training: bool = False) -> np.ndarray:
    """The layer's output, with `training` for those that take it and those not."""
    takes_it = "training" in inspect.signature(layer.call).parameters
    return array(layer(x, **({"training": training} if takes_it else {})))


def gates(layer: keras.layers.Layer) -> list[Gate]:
    """All gates, those on inputs first (Keras' own order depends on nesting)."""
    found = [g for g in flatten_layers(layer) if isinstance(g, Gate)]
    return sorted(found, key=lambda gate: "_input_gate" not in gate.name)


def output_gate(layer: keras.layers.Layer) -> Gate:
    """The gate on the layer's output units: the last that it makes."""
    return gates(layer)[-1]


def own_weights(layer: keras.layers.Layer) -> list[Any]:
    """The Keras parent's weights: all but the gates'."""
    of_gates = {id(v) for gate in gates(layer) for v in gate.variables}
    return [v for v in layer.weights if id(v) not in of_gates]


def randomize(layer: keras.layers.Layer, seed: int = 1) -> None:
    """Random weights, biases and statistics: zeros would hide what leaks."""
    rng = np.random.default_rng(seed)
    for weight in own_weights(layer):
        value = rng.normal(0.2, 0.6, size=tuple(weight.shape))
        if "variance" in weight.name:
            value = np.abs(value) + 0.3
        weight.assign(value.astype("float32"))


def copy_weights(source: keras.layers.Layer, target: keras.layers.Layer) -> None:
    """Into `target` what `source` has, gates left alone."""
    pairs = zip(own_weights(source), own_weights(target), strict=True)
    for old, new in pairs:
        assert old.name == new.name and old.shape == new.shape
        # By way of NumPy: JAX would share the buffer, and a training step of
        # one layer gives it away under the other.
        new.assign(keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(old)))


def set_logits(gate: Gate, logits: Any) -> None:
    gate.raw_logits.assign(
        np.broadcast_to(logits, gate.mask_shape).astype("float32") / gate.logit_scale
    )


def random_keep(gate: Gate, seed: int = 0) -> np.ndarray:
    """Some open, some closed, whatever the seed and however few they are."""
    rng = np.random.default_rng(seed)
    if gate.estimator.has_fixed_count:
        rows = gate._in_rows(rng.normal(size=gate.mask_shape).astype("float32"))
        return array(gate._in_shape(gate.estimator.decide(rows))) > 0.5
    keep = np.arange(gate.units) % 2 == 0
    return rng.permutation(keep).reshape(gate.mask_shape)


def array(tensor: Any) -> np.ndarray:
    """To NumPy; bfloat16 to float32, which holds it exactly."""
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))
