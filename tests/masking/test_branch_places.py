"""Which branches get a gate, and which layer carries its mask."""

import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.errors import InvalidArgumentError, UnsupportedModelError
from tests.laws import alive
from tests.laws.zoo import Entry

STEPS = (5, 6)


def _after(*more: Any) -> Callable[[Any], Any]:
    """A Dense layer, and behind it these."""

    def apply(x: Any) -> Any:
        x = layers.Dense(6)(x)
        for layer in more:
            x = layer(x)
        return x

    return apply


#: What ends a branch -> how, and whether weights can carry the mask there:
#: from them on m f(x) = f(m x).
ENDINGS: dict[str, tuple[Callable[[], Callable[[Any], Any]], bool]] = {
    "dense_relu": (lambda: layers.Dense(6, "relu"), True),
    "dense_tanh": (lambda: layers.Dense(6, "tanh"), False),
    "dense_sigmoid": (lambda: layers.Dense(6, "sigmoid"), False),
    "dense_softmax": (lambda: layers.Dense(6, "softmax"), False),
    "conv": (lambda: layers.Conv1D(6, 3, padding="same"), True),
    "depthwise": (lambda: layers.DepthwiseConv1D(3, padding="same"), True),
    "separable": (lambda: layers.SeparableConv1D(6, 3, padding="same"), True),
    # Its rule says nothing of constants, so that a strip would not see the 0.
    "einsum": (lambda: layers.EinsumDense("abc,cd->abd", (5, 6)), False),
    "batch_norm": (lambda: _after(layers.BatchNormalization()), True),
    "no_gamma": (lambda: _after(layers.BatchNormalization(scale=False)), True),
    "layer_norm": (lambda: _after(layers.LayerNormalization()), True),
    "group_norm": (lambda: _after(layers.GroupNormalization(3)), True),
    "relu": (lambda: _after(layers.ReLU()), True),
    "relu6": (lambda: _after(layers.ReLU(6)), False),
    "prelu": (lambda: _after(layers.PReLU(), layers.Dropout(0.2)), True),
    "gelu": (lambda: _after(layers.Activation("gelu")), False),
    "unit_norm": (lambda: _after(layers.UnitNormalization()), False),
    "scaled": (lambda: _after(lambda x: 0.3 * x), True),
    "shifted": (lambda: _after(lambda x: x + 0.3), False),
    "lstm": (lambda: layers.LSTM(6, return_sequences=True), False),
    "attention": (lambda: lambda x: layers.MultiHeadAttention(2, 3)(x, x), False),
    "unknown": (lambda: _after(_Unknown()), False),
}


class _Unknown(layers.Layer):
    """A layer that the library has no rule for."""

    def call(self, inputs: Any) -> Any:
        return keras.ops.cumsum(inputs, axis=-1) + 1.0


def _all_endings() -> keras.Model:
    """One sum of an identity and a branch per ending, and a linear layer behind."""
    inputs = keras.Input(STEPS)
    x = layers.Dense(6, name="stem")(inputs)
    branches = [make()(x) for make, _ in ENDINGS.values()]
    total = layers.Add(name="sum")([x, *branches])
    return keras.Model(inputs, layers.Dense(3, name="head")(total))


def _set(gate: kd.Gate, value: float) -> None:
    """Put the inference gate of a hard concrete at a number in (0, 1)."""
    stretched = (value + 0.1) / 1.2
    logit = np.log(stretched / (1 - stretched))
    gate.raw_logits.assign(np.array([logit / gate.logit_scale]))
    np.testing.assert_allclose(alive.array(gate.inference_mask()), [value], atol=1e-6)


def test_every_ending_is_x_plus_m_times_f() -> None:
    """At fractions, too: behind the sum all is linear, and so the output is in m."""
    entry = Entry("endings", _all_endings, (STEPS,))
    original = alive.build(entry)
    masked = kd.mask_model(original, granularity="branch")
    gates, x = kd.gates(masked), entry.inputs()
    assert len(gates) == len(ENDINGS)
    on_output = [y for y in masked.layers if isinstance(y, kd.layers.ChannelMask)]
    assert len(on_output) == sum(not cheap for _, cheap in ENDINGS.values())
    (whole,) = alive.run(masked, x)
    assert np.array_equal(whole, alive.run(original, x)[0])
    for name, gate in zip(ENDINGS, gates, strict=True):
        gate.set_keep(np.array([False]))
        (without,) = alive.run(masked, x)
        assert np.abs(whole - without).max() > 1e-3, name
        gate.set_keep(None)
        _set(gate, 0.4)
        (part,) = alive.run(masked, x)
        np.testing.assert_allclose(
            part, 0.4 * whole + 0.6 * without, atol=1e-5 * alive.scale([whole])
        )
        gate.set_keep(np.array([True]))


def test_every_ending_is_stripped() -> None:
    entry = Entry("endings", _all_endings, (STEPS,))
    original = alive.build(entry)
    masked, x = kd.mask_model(original, granularity="branch"), entry.inputs()
    for gate in kd.gates(masked):
        _set(gate, 0.4)
    slim = export.strip(masked)
    assert alive.distance(alive.run(masked, x), alive.run(slim, x)) <= 1e-5
    for gate in kd.gates(masked):
        gate.set_keep(np.array([False]))
    slim = export.strip(masked)
    assert [y.name for y in slim.layers[1:]] == ["stem", "head"]
    assert alive.distance(alive.run(masked, x), alive.run(slim, x)) <= 1e-5
    assert slim.count_params() == 7 * 6 + 7 * 3


# -- what is no branch -------------------------------------------------------------


def _read_elsewhere() -> keras.Model:
    inputs = keras.Input((4,))
    x = layers.Dense(4)(inputs)
    y = layers.Dense(4)(x)
    total = layers.Add()([x, y])
    return keras.Model(inputs, [layers.Dense(2)(total), layers.Dense(2)(y)])


def _read_elsewhere_beside_a_projection() -> keras.Model:
    inputs = keras.Input((4,))
    x = layers.Dense(4)(inputs)
    y = layers.Dense(5)(layers.Dense(6)(x))
    total = layers.Add()([layers.Dense(5)(x), y])
    return keras.Model(inputs, [layers.Dense(2)(total), layers.Dense(2)(y)])


def _two_inputs() -> keras.Model:
    inputs = [keras.Input((4,)), keras.Input((3,))]
    towers = [layers.Dense(5)(layers.Dense(4, "relu")(x)) for x in inputs]
    return keras.Model(inputs, layers.Dense(2)(layers.Add()(towers)))


def _broadcast() -> keras.Model:
    inputs = keras.Input((4, 4, 3))
    y = layers.GlobalAveragePooling2D(keepdims=True)(layers.Conv2D(3, 1)(inputs))
    return keras.Model(inputs, layers.Flatten()(layers.Add()([inputs, y])))


def _nothing_inside() -> keras.Model:
    inputs = keras.Input((4,))
    x = layers.Dense(4)(inputs)
    return keras.Model(inputs, layers.Dense(2)(x + layers.ReLU()(x)))


def _average() -> keras.Model:
    """Without its branch half of x would be left, and no identity."""
    inputs = keras.Input((4,))
    x = layers.Dense(4)(inputs)
    return keras.Model(
        inputs, layers.Dense(2)(layers.Average()([x, layers.Dense(4)(x)]))
    )


@pytest.mark.parametrize(
    "build",
    [
        _read_elsewhere,
        _read_elsewhere_beside_a_projection,
        _two_inputs,
        _broadcast,
        _nothing_inside,
        _average,
    ],
)
def test_what_is_no_branch_gets_no_gate(build: Callable[[], keras.Model]) -> None:
    with pytest.raises(UnsupportedModelError, match="at least one residual branch"):
        kd.mask_model(build(), granularity="branch")


# -- selection and refusals --------------------------------------------------------


def _two_blocks() -> keras.Model:
    inputs = keras.Input((4,))
    x = layers.Dense(5, name="stem")(inputs)
    for name in "ab":
        y = layers.Dense(6, "relu", name=f"{name}1")(x)
        x = layers.Add(name=f"{name}_add")([x, layers.Dense(5, name=f"{name}2")(y)])
    return keras.Model(inputs, layers.Dense(2)(x), name="blocks")


A, B = "a2_branch_gate", "b2_branch_gate"
WORDS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "all": ({}, {A, B}),
    "layer": ({"include": "a1"}, {A}),
    "sum": ({"include": "b_add"}, {B}),
    "excluded": ({"exclude": re.compile("^b1")}, {A}),
}


@pytest.mark.parametrize("words", WORDS)
def test_selection_by_layers_of_the_branch(words: str) -> None:
    arguments, expected = WORDS[words]
    masked = kd.mask_model(_two_blocks(), granularity="branch", **arguments)
    assert {gate.name for gate in kd.gates(masked)} == expected


def test_estimators_by_branch_and_penalty_by_its_weights() -> None:
    masked = kd.mask_model(
        _two_blocks(),
        granularity="branch",
        estimator={"b1": "straight_through"},
        gate_regularizer=kd.regularizers.L0(1.0),
    )
    a, b = kd.gates(masked)
    assert isinstance(a.estimator, kd.estimators.HardConcrete)
    assert isinstance(b.estimator, kd.estimators.StraightThrough)
    assert a.weights_per_gate == b.weights_per_gate == 5 * 6 + 6 + 6 * 5 + 5


class _OfWeights(kd.estimators.StraightThrough):
    granularities = ("weight", "kernel")


def test_estimator_that_means_nothing_for_a_branch_is_refused() -> None:
    with pytest.raises(InvalidArgumentError) as error:
        kd.mask_model(_two_blocks(), granularity="branch", estimator=_OfWeights())
    assert str(error.value) == (
        "Expected a granularity at which _OfWeights acts: 'weight' or 'kernel'; "
        "received granularity='branch'. Pass for example granularity='weight', or "
        "another estimator."
    )


def test_channel_multiple_means_nothing_for_a_branch() -> None:
    with pytest.raises(
        InvalidArgumentError, match='granularity="branch", which removes'
    ):
        kd.mask_model(_two_blocks(), granularity="branch", channel_multiple=8)
