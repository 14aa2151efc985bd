"""Law 5: saved, cloned or rebuilt from JSON, a masked model is the same model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import Gate, layers
from keras_diffmask.regularizers import L0
from tests.laws.masked_cases import (
    array,
    branches,
    gates,
    make_estimator,
    make_penalty,
    randomize,
    set_logits,
)
from tests.laws.pairs import a_decision, by_turns

Trip = Callable[[keras.Model, Path], keras.Model]


def _save_and_load(model: keras.Model, folder: Path) -> keras.Model:
    model.save(folder / "model.keras")
    return keras.models.load_model(folder / "model.keras")


def _clone(model: keras.Model, _: Path) -> keras.Model:
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    return clone


def _json(model: keras.Model, _: Path) -> keras.Model:
    text = json.dumps(json.loads(model.to_json()))
    rebuilt = keras.models.model_from_json(text)
    rebuilt.set_weights(model.get_weights())
    return rebuilt


TRIPS: dict[str, Trip] = {"keras": _save_and_load, "clone": _clone, "json": _json}


@pytest.mark.parametrize("trip", TRIPS)
def test_every_layer_survives_the_round_trip(trip: str, tmp_path: Path) -> None:
    """With another estimator each; `test_pairs` has every pair's configuration."""
    turns = by_turns(list(TRIPS).index(trip))
    made = [
        (
            case,
            case.layer(make_estimator(key), gate_regularizer=make_penalty(key, 0.01)),
        )
        for case, key in turns
    ]
    model = branches(made)
    randomize(model)
    for seed, gate in enumerate(gates(model)):
        if gate.raw_logits is not None and gate.raw_logits.shape == gate.mask_shape:
            set_logits(gate, np.resize([2.0, -0.5, 0.7, -4.0], gate.mask_shape))
        if seed % 2:
            gate.set_keep(a_decision(gate, seed))
    x = [case.inputs() for case, _ in turns]
    back = TRIPS[trip](model, tmp_path)
    outputs = [array(y) for y in model(x)]
    for (case, key), ours, theirs in zip(turns, outputs, back(x), strict=True):
        assert np.array_equal(ours, array(theirs)), f"{case} with {key}"
    assert len(gates(back)) == len(gates(model)) > 0
    assert not {id(g) for g in gates(back)} & {id(g) for g in gates(model)}
    for ours, theirs in zip(gates(model), gates(back), strict=True):
        assert ours.get_config() == theirs.get_config()
        assert np.array_equal(ours.keep, theirs.keep)
        assert ours.is_fixed == theirs.is_fixed
    losses = [sorted(float(v) for v in m.losses) for m in (model, back)]
    assert losses[0] == losses[1] and len(losses[0]) == len(gates(model))
    # Free of the first: what happens to the copy leaves the original alone.
    before = [gate.keep for gate in gates(model)]
    for gate in gates(back):
        gate.set_keep(np.ones(gate.mask_shape, bool))
    for gate, old in zip(gates(model), before, strict=True):
        assert np.array_equal(gate.keep, old)


def _members() -> list[tuple[Any, dict[str, Any]]]:
    """Every way to hand a shared mask of five units to a layer."""
    return [
        (layers.MaskedDense(5, estimator=None), {"rank": 1}),
        (layers.MaskedConv2D(5, 2, estimator=None), {"rank": 3}),
        (layers.MaskedLSTM(5, hidden_estimator=None), {"rank": 2}),
        (layers.MaskedConv1DTranspose(5, 2, estimator=None), {"rank": 2}),
        (layers.MaskedSeparableConv2D(5, 2, estimator=None), {"rank": 3}),
        (_einsum(), {"rank": 2}),
    ]


def _einsum() -> keras.layers.Layer:
    equation = "...c,cd->...d"
    return layers.MaskedEinsumDense(equation, 5, bias_axes="d", estimator=None)


def _sharing_model() -> keras.Model:
    x = keras.Input((4,), name="vector")
    image, steps = (
        keras.Input((3, 3, 2), name="image"),
        keras.Input((3, 2), name="time"),
    )
    mask, _ = Gate(5, "straight_through", regularizer=L0(0.1), name="shared")(x)
    of_rank = {1: x, 2: steps, 3: image}
    outputs = []
    for layer, about in _members():
        outputs.append(layer(of_rank[about["rank"]], gate_mask=mask))
    normal = layers.MaskedBatchNormalization(estimator=None)
    outputs.append(normal(outputs[1], gate_mask=mask))
    for layer in (
        layers.MaskedDepthwiseConv2D(2, estimator=None),
        layers.MaskedGroupNormalization(-1, estimator=None),
        layers.MaskedLayerNormalization(estimator=None),
    ):
        outputs.append(layer(outputs[1] + 1.0, gate_mask=mask))
    outputs.append(layers.ChannelMask(estimator=None)(outputs[0] + 1.0, gate_mask=mask))
    model = keras.Model([x, image, steps], outputs)
    randomize(model)
    return model


def _shared_inputs() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = [(6, 4), (6, 3, 3, 2), (6, 3, 2)]
    return [rng.normal(size=shape).astype("float32") for shape in shapes]


@pytest.mark.parametrize("trip", [lambda m, _: m, *TRIPS.values()], ids=["", *TRIPS])
def test_gate_shared_by_call_argument_stays_one(trip: Trip, tmp_path: Path) -> None:
    model, x = _sharing_model(), _shared_inputs()
    (gate,) = gates(model)
    gate.set_keep(np.array([True, False, False, True, True]))
    back = trip(model, tmp_path)
    (shared,) = gates(back)
    assert shared.name == "shared" and len(back.losses) == 1
    for ours, theirs in zip(model(x), back(x), strict=True):
        assert np.array_equal(array(ours), array(theirs))
    keep = np.array([False, True, True, True, False])
    shared.set_keep(keep)
    for outputs in back(x):  # one gate: all of its members move together
        assert np.all(array(outputs)[..., ~keep] == 0.0)
        assert np.all(np.any(array(outputs)[..., keep].reshape(-1, 3) != 0.0, axis=0))


@pytest.mark.parametrize("trip", [lambda m, _: m, *TRIPS.values()], ids=["", *TRIPS])
def test_gate_shared_by_two_attentions_stays_one(trip: Trip, tmp_path: Path) -> None:
    x, steps = keras.Input((4, 6)), keras.Input((3, 2))
    mask, _ = Gate(5, "straight_through", name="shared")(x)
    first = layers.MaskedMultiHeadAttention(5, 2, estimator=None)
    second = layers.MaskedMultiHeadAttention(5, 3, estimator=None, dropout=0.1)
    y = first(x, steps, key=steps, gate_mask=mask, use_causal_mask=True)
    y, scores = second(y, y, gate_mask=mask, return_attention_scores=True)
    model = keras.Model([x, steps], [y, scores])
    randomize(model)
    (gate,) = gates(model)
    gate.set_keep(np.array([True, False, False, True, True]))
    back = trip(model, tmp_path)
    rng = np.random.default_rng(0)
    x = [rng.normal(size=s).astype("float32") for s in [(2, 4, 6), (2, 3, 2)]]
    for ours, theirs in zip(model(x), back(x), strict=True):
        assert np.array_equal(array(ours), array(theirs))
    (shared,) = gates(back)
    before = array(back(x)[0])
    shared.set_keep(np.array([False, True, True, False, True]))
    assert not np.allclose(before, array(back(x)[0]))
