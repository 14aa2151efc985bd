"""The table estimator x granularity x layer, and gates brought to a decision.

One layer is built per pair and process, and the laws share it: what they do
to its gates they undo with `fresh`. No call of a layer is needed to see what
its masks make of its weights.
"""

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import Gate, layers
from keras_diffmask.layers.masked import MaskedLayer
from keras_diffmask.layers.recurrent_masks import RecurrentGates, masked_cell_weights
from tests.laws.masked_cases import (
    ESTIMATORS,
    FIRST_CASES,
    TRAINED_ESTIMATORS,
    Case,
    array,
    gates,
    make_estimator,
    make_penalty,
    own_weights,
    random_keep,
    randomize,
    set_logits,
)
from tests.reference.granularity import expanded

STRENGTH = 0.3

every_estimator = pytest.mark.parametrize("key", ESTIMATORS)
every_trained_estimator = pytest.mark.parametrize("key", TRAINED_ESTIMATORS)


def cases_of(key: str) -> list[Case]:
    """The layers and granularities that an estimator fits."""
    return [case for case in FIRST_CASES if case.takes(key)]


def by_turns(turn: int = 0) -> list[tuple[Case, str]]:
    """Each layer once; estimators and granularities take turns."""
    chosen = []
    for place, layer_class in enumerate(layers.ALL_OBJECTS):
        fitting = [
            (case, key)
            for key in TRAINED_ESTIMATORS
            for case in cases_of(key)
            if case.layer_class is layer_class
        ]
        # A step without a factor of its own length, so as to go round all of them.
        chosen.append(fitting[(7 * place + 11 * turn) % len(fitting)])
    return chosen


@cache
def _built(key: str) -> tuple[tuple[Case, Any], ...]:
    made = []
    for case in cases_of(key):
        layer = case.layer(
            make_estimator(key), gate_regularizer=make_penalty(key, STRENGTH)
        )
        layer.build((None, *case.example.shape))
        made.append((case, layer))
    return tuple(made)


def gallery(key: str, random: bool = True) -> tuple[tuple[Case, Any], ...]:
    """A built layer of every case, fresh; random weights, or those it starts with."""
    for case, layer in _built(key):
        if random:
            randomize(layer)
        else:
            _as_built(case, layer)
        for gate in gates(layer):
            fresh(gate)
    return _built(key)


def _as_built(case: Case, layer: Any) -> None:
    """The weights that Keras starts with: gamma 1, beta 0, kernels by chance."""
    plain = case.plain()
    plain.build((None, *case.example.shape))
    for ours, theirs in zip(own_weights(layer), plain.weights, strict=True):
        ours.assign(array(theirs))


def fresh(gate: Gate) -> None:
    gate.set_keep(None)
    gate.restart()


def inner(layer: Any) -> Any:
    """The masked layer or cell itself, without what runs it on one input."""
    for name in ("merge", "attention", "cell"):
        found = getattr(layer, name, None)
        if isinstance(found, MaskedLayer | RecurrentGates):
            return found
    return layer


def a_decision(gate: Gate, seed: int = 0) -> np.ndarray:
    """Some open, some closed, in numbers that the estimator can stand for."""
    if not gate.estimator.has_fixed_count:
        return random_keep(gate, seed)
    rng = np.random.default_rng(seed)
    rows = gate._rows
    now = array(rows.split(gate.keep.astype("float32")))
    return array(rows.join(rng.permuted(now, axis=-1))) > 0.5


def settle(layer: Any, gate: Gate, seed: int = 0) -> np.ndarray:
    """Have the estimator itself decide, some open and some closed; return which."""
    keep, estimator = a_decision(gate, seed), gate.estimator
    low, high = estimator.logit_range
    if gate.raw_logits is None:
        _read_weights_that_decide(layer, keep)
    elif tuple(gate.raw_logits.shape) == gate.mask_shape:
        if not estimator.has_fixed_count:  # a scale is open at both ends, closed at 0
            grid = np.linspace(low, high, 41)
            low = grid[array(estimator.decide(tensor(grid))) == 0.0][0]
        set_logits(gate, np.where(keep, 0.97 * high, 0.97 * low))
        assert np.array_equal(gate.keep, keep)
    else:
        # One number for all: far apart are those that open and close the most.
        for value in np.linspace(low, high, 40):
            gate.raw_logits.assign(np.float32(value / gate.logit_scale))
            if 0 < gate.keep.sum() < gate.units:
                break
    return gate.keep


def _read_weights_that_decide(layer: Any, keep: np.ndarray) -> None:
    sign = np.where(keep, 1.0, -1.0).astype("float32")
    inner(layer).gamma.assign(np.where(keep, 1.3, 0.01).astype("float32"))
    inner(layer).beta.assign(0.4 * sign)


def masked_values(layer: Any, masks: list[Any]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of a weight and its value under the masks of `gates(layer)`."""
    masked = inner(layer)
    if isinstance(masked, RecurrentGates):
        pairs = masked_cell_weights(getattr(masked, "cell", masked), *masks)
    else:
        pairs = masked.masked_weights(masks[0])
    return [(array(weight), array(value)) for weight, value in pairs]


def factors(case: Case, layer: Any, masks: list[np.ndarray]) -> list[np.ndarray]:
    """What each masked weight is multiplied by, by shape alone and in NumPy."""
    masked = inner(layer)
    if isinstance(masked, RecurrentGates):
        z, s = masks
        kernel, _, *bias = own_weights(layer)
        S = np.tile(s, kernel.shape[-1] // len(s))
        biases = [np.broadcast_to(S, b.shape) for b in bias]
        return [np.outer(s, S), *biases, np.outer(z, S)]  # the kernel comes last
    (mask,) = masks
    if not masked.unit_axes:
        return []  # the mask is on the output alone
    if case.granularity != "channel":
        shape = tuple(masked._first_weight().shape)
        units = masked.unit_axes[next(iter(masked.unit_axes))]
        last = units if isinstance(units, int) else units[-1]
        last = last - len(shape) if last >= 0 else last
        inputs = masked.input_axis
        return [expanded(case.granularity, mask, shape, inputs, last)]
    found = []
    for name, axes in masked.unit_axes.items():
        weight = getattr(masked, name)
        if weight is not None:
            axes = (axes,) if isinstance(axes, int) else axes
            rank = len(weight.shape)
            places = [axis % rank for axis in axes]
            shape = [weight.shape[a] if a in places else 1 for a in range(rank)]
            found.append(np.broadcast_to(mask.reshape(shape), weight.shape))
    return found


def inference_masks(layer: Any) -> list[np.ndarray]:
    return [array(gate.inference_mask()) for gate in gates(layer)]


def tensor(values: Any) -> Any:
    return keras.ops.convert_to_tensor(np.asarray(values, "float32"))
