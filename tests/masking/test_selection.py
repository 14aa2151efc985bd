"""Which layers get gates, with which estimator, and in what multiples."""

import re
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.errors import (
    BudgetError,
    InvalidArgumentError,
    UnsupportedModelError,
)
from tests.laws import alive


def _model() -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(16, 3, padding="same", activation="relu", name="stem")(inputs)
    y = layers.Conv2D(20, 3, padding="same", activation="relu", name="inner")(x)
    y = layers.Conv2D(16, 3, padding="same", name="outer")(y)
    x = layers.Flatten(name="flatten")(layers.MaxPooling2D(4)(layers.Add()([x, y])))
    x = layers.Dense(12, activation="relu", name="hidden")(x)
    return keras.Model(inputs, layers.Dense(3, name="last")(x))


ALL = {"stem_gate", "inner_gate", "hidden_gate"}
WORDS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "all": ({}, ALL),
    "name": ({"include": "inner"}, {"inner_gate"}),
    "names": ({"include": ["inner", "hidden"]}, {"inner_gate", "hidden_gate"}),
    "expression": ({"include": re.compile("^(in|hid)")}, {"inner_gate", "hidden_gate"}),
    "class": ({"include": layers.Dense}, {"hidden_gate"}),
    "function": ({"exclude": lambda layer: "e" in layer.name}, set()),
    "tied_to_excluded": ({"exclude": "outer"}, {"inner_gate", "hidden_gate"}),
    "both": ({"include": layers.Conv2D, "exclude": ["stem"]}, {"inner_gate"}),
}


@pytest.mark.parametrize("case", WORDS)
def test_words_for_layers(case: str) -> None:
    words, expected = WORDS[case]
    if not expected:
        words = {"exclude": lambda layer: "d" in layer.name}
        expected = ALL - {"hidden_gate"}
    masked = kd.mask_model(_model(), **words)
    assert {gate.name for gate in kd.gates(masked)} == expected
    alive.decide(masked, 0.5)
    x = np.random.default_rng(1).normal(size=(3, 8, 8, 3)).astype("float32")
    slim = export.strip(masked)
    assert alive.distance(alive.run(masked, x), alive.run(slim, x)) <= 1e-5


def test_words_for_layers_by_weight() -> None:
    masked = kd.mask_model(_model(), granularity="weight", include=layers.Dense)
    assert [gate.mask_shape for gate in kd.gates(masked)] == [(64, 12), (12, 3)]


def test_estimators_per_layer() -> None:
    masked = kd.mask_model(
        _model(),
        estimator={
            "outer": kd.estimators.HardConcrete(initial_keep=0.6),
            layers.Conv2D: "straight_through",
        },
    )
    found = {gate.name: gate.estimator for gate in kd.gates(masked)}
    # The stem is tied to `outer`, and the first word that matches holds.
    assert found["stem_gate"].initial_keep == 0.6
    assert isinstance(found["inner_gate"], kd.estimators.StraightThrough)
    assert isinstance(found["hidden_gate"], kd.estimators.HardConcrete)
    assert found["hidden_gate"].initial_keep != 0.6


def test_estimators_that_start_below_one_are_folded_gate_by_gate() -> None:
    model = _model()
    low = kd.estimators.HardConcrete(initial_keep=0.6)
    masked = kd.mask_model(model, estimator={"inner": low})
    x = np.random.default_rng(1).normal(size=(3, 8, 8, 3)).astype("float32")
    assert alive.distance(alive.run(model, x), alive.run(masked, x)) <= 1e-5


@pytest.mark.parametrize("multiple", [1, 4, 8, 32])
def test_channels_come_in_multiples(multiple: int) -> None:
    masked = kd.mask_model(_model(), channel_multiple=multiple)
    rng = np.random.default_rng(multiple)
    for gate in kd.gates(masked):
        low, high = gate.estimator.logit_range
        for share in (0.02, 0.3, 0.6, 0.97):
            logits = rng.permutation(np.linspace(low, high, gate.units))
            quantile = np.quantile(logits, 1 - share)
            gate.raw_logits.assign((logits - quantile) / gate.logit_scale)
            mask = keras.ops.convert_to_numpy(gate.inference_mask())
            kept = int((mask > 0).sum())
            assert kept % multiple == 0 or kept == gate.units
            # The best are open: rounding up adds the next in line.
            assert logits[mask > 0].min() > logits[mask == 0].max(initial=-1e9)
    x = rng.normal(size=(3, 8, 8, 3)).astype("float32")
    slim = export.strip(masked)
    assert slim.get_layer("inner").filters in {*range(0, 20, multiple), 20}
    assert alive.distance(alive.run(masked, x), alive.run(slim, x)) <= 1e-5


def _grouped() -> keras.Model:
    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(32, 3, activation="relu", name="before")(inputs)
    x = layers.Conv2D(32, 3, groups=4, activation="relu", name="layer")(x)
    return keras.Model(inputs, layers.Conv2D(2, 1)(x))


def _reshaped() -> keras.Model:
    inputs = keras.Input((4,))
    x = layers.Dense(48, activation="relu", name="layer")(inputs)
    x = layers.Reshape((2, 2, 12))(x)
    return keras.Model(inputs, layers.Conv2D(2, 1)(x))


def _heads() -> keras.Model:
    inputs = keras.Input((4, 6))
    x = layers.MultiHeadAttention(6, 4, value_dim=12, name="layer")(inputs, inputs)
    return keras.Model(inputs, layers.Add()([inputs, x]))


#: A model, the layer whose units are of several channels, the multiple, and how many
#: units make a block: 4 channels each, 4 again, and of a head 4 keys and 12 values.
UNITS_OF_CHANNELS: dict[str, tuple[Any, int, int]] = {
    "groups": (_grouped, 8, 2),
    "groups_of_one_unit": (_grouped, 4, 1),
    "groups_without_a_divisor": (_grouped, 6, 3),
    "reshape": (_reshaped, 8, 2),
    "heads": (_heads, 8, 2),
    "heads_of_one": (_heads, 4, 1),
}


@pytest.mark.parametrize("name", UNITS_OF_CHANNELS)
def test_channels_and_not_units_come_in_multiples(name: str) -> None:
    make, multiple, units = UNITS_OF_CHANNELS[name]
    model = make()
    masked = kd.mask_model(
        model, include="layer", budget=kd.Budget(parameters=0.99),
        channel_multiple=multiple,
    )  # fmt: skip
    (gate,) = kd.gates(masked)
    assert gate.multiple == units
    floor = export.plan(model).parameters[0]
    for count in range(units, gate.units + 1, units):
        gate.set_keep(np.arange(gate.units) < count)
        exact = export.plan(masked).parameters[1]
        floor = min(floor, exact)
        gate.set_keep(None)
        kd.finalize(masked, kd.Budget(parameters=exact))
        assert gate.keep.sum() == count, "what is allowed is reached"
        layer = export.strip(masked).get_layer("layer")
        for kernel in layer.weights:
            if "output" not in kernel.path:
                axes = 2 if name.startswith("heads") else 1
                assert np.prod(kernel.shape[-axes:]) % multiple == 0
    least = "smallest block of units" if units > 1 else "last unit"
    with pytest.raises(BudgetError, match=f"at least {floor:,}, where .* {least}"):
        kd.mask_model(
            model, include="layer", budget=kd.Budget(parameters=floor - 1),
            channel_multiple=multiple,
        )  # fmt: skip


def test_budget_comes_in_multiples(tmp_path: Any) -> None:
    model = _model()
    masked = kd.mask_model(model, budget=kd.Budget(macs=0.5), channel_multiple=4)
    masked.compile("adam", "mse")
    x = np.random.default_rng(0).normal(size=(32, 8, 8, 3)).astype("float32")
    masked.fit(x, np.zeros((32, 3)), epochs=2, batch_size=8, verbose=0)
    kept = [int(gate.keep.sum()) for gate in kd.gates(masked)]
    assert all(count % 4 == 0 for count in kept)
    plan = export.plan(masked)
    assert plan.macs[1] <= 0.5 * plan.macs[0]
    masked.save(tmp_path / "masked.keras")
    again = keras.saving.load_model(tmp_path / "masked.keras")
    assert [gate.multiple for gate in kd.gates(again)] == [4, 4, 4]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "unknown_name": ({"include": "stemm"}, r"include to name a layer of .*'stemm'"),
    "name_without_a_gate": (
        {"include": ["inner", "last"]},
        "include to name layers that can have a gate .*'last', which gets none",
    ),
    "name_without_weights": (
        {"include": ["stem", "flatten"], "granularity": "weight"},
        "granularity 'weight'.*'flatten', which gets none",
    ),
    "estimator_of_one_without": (
        {"estimator": {"last": "straight_through"}},
        "estimator to name layers .*'last', which gets none",
    ),
    "number": ({"exclude": 3}, "exclude to be a layer's name, .*exclude=3"),
    "estimator_of_nobody": (
        {"estimator": {"nobody": "hard_concrete"}},
        "estimator to name a layer",
    ),
    "unknown_estimator": ({"estimator": {"stem": "softest"}}, "'softest'"),
    "typo_of_an_estimator": (
        {"estimator": "hard_concret"},
        "an Estimator; .*'hard_concret'. Did you mean 'hard_concrete'",
    ),
    "multiple_of_zero": ({"channel_multiple": 0}, "channel_multiple=0"),
    "multiple_of_half": ({"channel_multiple": 0.5}, r"channel_multiple=0\.5"),
    "multiple_of_weights": (
        {"channel_multiple": 4, "granularity": "weight"},
        'granularity="channel" with a channel_multiple',
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_words_end_in_one_sentence(case: str) -> None:
    words, sentence = BAD[case]
    model = _model()
    before = alive.fingerprint(model)
    with pytest.raises(InvalidArgumentError, match=sentence) as caught:
        kd.mask_model(model, **words)
    assert "\n" not in str(caught.value)
    alive.assert_untouched(model, before)


@pytest.mark.parametrize("budget", [0.3, {"macs": 0.3}])
def test_a_budget_that_does_not_say_of_what_is_refused(budget: Any) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    with pytest.raises(BudgetError, match=r"a kd.Budget or None; received .*macs=0.3"):
        kd.mask_model(model, budget=budget)


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"include": "cls"}, "include='cls'"),
        ({"exclude": ["body"]}, r"exclude=\['body'\]"),
        ({"include": "body", "exclude": "body"}, "include='body' and exclude='body'"),
    ],
)
def test_where_nothing_is_left_the_arguments_are_named(
    chosen: dict[str, Any], told: str
) -> None:
    inputs = keras.Input((4,))
    body = keras.layers.Dense(8, "relu", name="body")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2, name="cls")(body))
    sentence = f"Expected {told} to leave a layer that can have a gate at granularity"
    with pytest.raises(UnsupportedModelError, match=sentence):
        kd.mask_model(model, **chosen)


def test_the_default_granularity_is_said_to_be_one() -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    with pytest.raises(InvalidArgumentError) as error:
        kd.mask_model(model, "soft_threshold")
    assert str(error.value) == (
        "Expected a granularity at which SoftThreshold acts: 'weight'; received "
        "granularity='channel', the default. Pass for example granularity='weight', "
        "or another estimator."
    )
