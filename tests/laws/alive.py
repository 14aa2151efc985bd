"""Models that are alive, decisions for their gates, and how they are compared.

A deep net with random statistics ignores its input, and hides a wrong strip.
"""

from functools import cache
from typing import Any

import keras
import numpy as np
from keras import tree

import keras_diffmask as kd
from tests.laws import zoo_graph as zoo_graph
from tests.laws import zoo_recurrent as zoo_recurrent
from tests.laws import zoo_shared as zoo_shared
from tests.laws import zoo_tokens as zoo_tokens
from tests.laws.zoo import ZOO, Entry

TENSORFLOW = keras.backend.backend() == "tensorflow"

#: Name -> entry, all files of the zoo.
MODELS = dict(ZOO)

#: Those that a law ranges over. No rule knows the backend: beside TensorFlow
#: every third model is enough.
CHOSEN = list(MODELS.values())[:: 1 if TENSORFLOW else 3]


def array(tensor: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def run(model: keras.Model, x: Any, training: bool = False) -> list[np.ndarray]:
    """The outputs as NumPy arrays, in a fixed order."""
    return [array(y) for y in tree.flatten(model(x, training=training))]


def enliven(model: keras.Model, x: Any, seed: int = 3) -> keras.Model:
    """Random biases; BN statistics of one training batch, then jittered."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        value = array(weight)
        if weight.name in ("bias", "beta"):
            weight.assign(rng.normal(0, 0.25, value.shape).astype(value.dtype))
        elif weight.name == "kernel":
            weight.assign(1.3 * value)
        elif weight.name == "gamma":
            weight.assign(rng.uniform(0.6, 1.5, value.shape).astype(value.dtype))
    norms = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    for norm in norms:
        norm.momentum, norm.usual_momentum = 0.0, norm.momentum
    model(x, training=True)
    for norm in norms:
        norm.momentum = norm.usual_momentum
        mean, variance = array(norm.moving_mean), array(norm.moving_variance)
        shift = rng.normal(0, 0.2, mean.shape) * np.sqrt(variance)
        norm.moving_mean.assign((mean + shift).astype(mean.dtype))
        factor = rng.uniform(0.7, 1.4, mean.shape)
        norm.moving_variance.assign((variance * factor).astype(mean.dtype))
    return model


def build(entry: Entry, dtype: str = "float32", seed: int = 1) -> keras.Model:
    """The entry's model, alive, its layers in `dtype`."""
    policy = keras.config.dtype_policy()
    keras.utils.set_random_seed(seed)
    try:
        keras.config.set_dtype_policy(dtype)
        return enliven(entry.build(), entry.inputs(24, seed=9))
    finally:
        keras.config.set_dtype_policy(policy)


@cache
def pair(name: str, dtype: str = "float32") -> tuple[keras.Model, kd.MaskedModel]:
    """An entry's model and its masked copy, made once.

    That they can be used again and again is itself part of law 3: neither
    `mask_model` nor `strip` changes what it is given.
    """
    original = build(MODELS[name])
    if dtype != "float32":
        original = twin(MODELS[name], original, dtype)
    return original, kd.mask_model(original)


def twin(entry: Entry, model: keras.Model, dtype: str) -> keras.Model:
    """The same model in another precision."""
    other = build(entry, dtype)
    for source, target in zip(model.weights, other.weights, strict=True):
        target.assign(array(source).astype(target.dtype))
    return other


def scale(outputs: list[np.ndarray]) -> float:
    return max(float(np.max(np.abs(y))) for y in outputs)


def distance(a: list[np.ndarray], b: list[np.ndarray]) -> float:
    """Largest difference, in units of the output's scale."""
    worst = max(float(np.max(np.abs(p - q))) for p, q in zip(a, b, strict=True))
    return worst / scale(a)


def assert_varies(outputs: list[np.ndarray]) -> None:
    """The output varies with the input by at least 5 % of its scale."""
    for y in outputs:
        assert np.std(y, axis=0).max() >= 0.05 * np.max(np.abs(y)), "a dead model"


def decide(model: keras.Model, closed: float, seed: int = 0) -> None:
    """Close this share of the units of every gate, at random, by exact count."""
    rng = np.random.default_rng(seed)
    for gate in kd.gates(model):
        count = min(round(closed * gate.units), gate.units - 1)
        keep = np.arange(gate.units) >= count
        gate.set_keep(rng.permutation(keep).reshape(gate.mask_shape))


def close_branches(model: keras.Model) -> list[kd.Gate]:
    """Close the gates that may lose every unit; return them."""
    droppable = [gate for gate in kd.gates(model) if gate.min_keep == 0]
    for gate in droppable:
        gate.set_keep(np.zeros(gate.mask_shape, bool))
    return droppable


def early_swap(model: keras.Model, x: Any) -> float:
    """How far the output moves when two channels of an early layer trade places."""
    before = run(model, x)
    for layer in model.layers[:-1]:
        weights = layer.get_weights()
        if not weights or weights[0].ndim < 2:
            continue
        units = getattr(layer, "units", weights[0].shape[-1])
        if units < 2:
            continue
        order = np.arange(weights[0].shape[-1])
        order = order.reshape(-1, units)[:, [units - 1, *range(1, units - 1), 0]]
        try:
            layer.set_weights([weights[0][..., order.reshape(-1)], *weights[1:]])
            return distance(before, run(model, x))
        finally:
            layer.set_weights(weights)
    raise AssertionError("no layer with two channels to swap")


def fingerprint(model: keras.Model) -> tuple[str, list[np.ndarray]]:
    """Configuration and weights, to see that nothing touched them."""
    return str(model.get_config()), [array(v).copy() for v in model.variables]


def assert_untouched(model: keras.Model, before: tuple[str, list]) -> None:
    config, values = fingerprint(model)
    assert config == before[0]
    assert all(np.array_equal(a, b) for a, b in zip(values, before[1], strict=True))


def keeps(masked: keras.Model) -> list[np.ndarray]:
    """What the gates keep, as gate values."""
    return [gate.keep.astype(float) for gate in kd.gates(masked)]


def decide_by_chance(masked: keras.Model, seed: int) -> None:
    """Close some units of every gate, shares and units at random, and leave one."""
    rng = np.random.default_rng(seed)
    for gate in kd.gates(masked):
        keep = rng.uniform(size=gate.units) < rng.uniform(0.2, 0.9)
        keep[rng.integers(gate.units)] = True
        gate.set_keep(keep)
