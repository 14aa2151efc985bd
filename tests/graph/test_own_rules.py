"""Rules from outside: an unknown layer is left alone until its user speaks for it."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import keras_diffmask as kd
from keras_diffmask import export, graph
from keras_diffmask.errors import RuleError
from tests.laws import alive


@keras.saving.register_keras_serializable("tests")
class Scale(layers.Layer):
    """x * factor, one factor per channel."""

    def build(self, shape: Any) -> None:
        self.factor = self.add_weight(
            name="factor", shape=(shape[-1],), initializer="random_normal"
        )

    def call(self, x: Any) -> Any:
        return x * self.factor


class ScaleRule(graph.Channelwise):
    def constants(self, step: graph.Step, inputs: list) -> list:
        return [inputs[0] * np.asarray(step.layer.factor)]

    def shrink(self, step: graph.Step, cut: graph.Cut) -> tuple[dict, dict]:
        stays = cut.along(step.inputs[0])
        return {}, {"factor": np.asarray(step.layer.factor)[stays]}


class Scaled(Scale):
    """A subclass inherits the rule."""


@pytest.fixture
def registered() -> Iterator[Any]:
    """Registers a rule for `Scale`, and takes it back."""

    def register(rule: type[graph.Rule]) -> None:
        graph.register(Scale)(rule)

    yield register
    graph.register(Scale)(type("Forgotten", (_Unknown,), {}))


class _Unknown(graph.Rule):
    def trace(self, step: graph.Step) -> list[np.ndarray]:
        return step.bar("nobody speaks for it")


def _model(layer: type = Scale) -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, activation="relu", name="before")(inputs)
    x = layers.Conv2D(6, 3, name="after")(layer(name="own")(x))
    x = layers.Conv2D(5, 3, activation="relu", name="free")(x)
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))


def test_unknown_layer_names_the_line_that_registers_it() -> None:
    @keras.saving.register_keras_serializable("tests")
    class Nobodys(Scale):
        pass

    unknown = type("Nobodys", (layers.Layer,), {"call": lambda self, x: 2 * x})
    text = str(export.plan(_model(unknown)))
    assert "keras_diffmask.graph.register(Nobodys)" in text
    names = [gate.name for gate in kd.gates(kd.mask_model(_model(unknown)))]
    assert names == ["after_gate", "free_gate"]


@pytest.mark.parametrize("layer", [Scale, Scaled])
def test_registered_layer_is_cut(layer: type, registered: Any) -> None:
    registered(ScaleRule)
    model = _model(layer)
    masked = kd.mask_model(model)
    alive.decide(masked, 0.5)
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype("float32")
    slim = export.strip(masked)
    assert slim.get_layer("before").filters == 4
    assert slim.get_layer("own").factor.shape == (4,)
    assert type(slim.get_layer("own")) is layer
    assert alive.distance(alive.run(masked, x), alive.run(slim, x)) <= 1e-5


def _returns(outputs: Any) -> type[graph.Rule]:
    return type("Bad", (graph.Channelwise,), {"trace": lambda self, step: outputs})


def _ties_too_many(self: Any, step: graph.Step) -> list[np.ndarray]:
    step.units.tie(step.inputs[0], step.units.new(5))
    return [step.inputs[0]]


BAD_RULES = {
    "wrong_shape": _returns([np.zeros((1, 1, 7), int)]),
    "wrong_rank": _returns([np.zeros((8,), int)]),
    "too_few": _returns([]),
    "no_array": _returns([None]),
    "widths_disagree": type("Bad", (graph.Channelwise,), {"trace": _ties_too_many}),
}


@pytest.mark.parametrize("kind", BAD_RULES)
def test_rule_that_does_not_fit_is_named(kind: str, registered: Any) -> None:
    registered(BAD_RULES[kind])
    model = _model()
    before = alive.fingerprint(model)
    for operation in (kd.mask_model, export.plan, export.strip):
        with pytest.raises(RuleError, match=r"Bad\.trace to .*'own'"):
            operation(model)
    alive.assert_untouched(model, before)


def test_weights_of_the_wrong_shape_are_named(registered: Any) -> None:
    class Whole(ScaleRule):
        def shrink(self, step: graph.Step, cut: graph.Cut) -> tuple[dict, dict]:
            return {}, {"factor": np.asarray(step.layer.factor)}

    registered(Whole)
    model = _model()
    masked = kd.mask_model(model)
    alive.decide(masked, 0.5)
    with pytest.raises(RuleError, match=r"Whole\.shrink .*'own'.*factor"):
        export.strip(masked)


def test_calls_that_tie_a_channel_to_its_neighbour_are_named() -> None:
    """One layer on its own output, shifted: all of its channels are one."""
    inputs = keras.Input((6,))
    shared = layers.Dense(8, activation="tanh", name="shared")
    x = layers.Dense(8, name="first")(inputs)
    x = shared(x)
    x = shared(layers.Concatenate(name="shift")([x[:, 1:], x[:, :1]]))
    x = shared(x)
    model = keras.Model(inputs, layers.Dense(3, name="last")(layers.Dense(5)(x)))
    masked = kd.mask_model(model)
    assert [gate.units for gate in kd.gates(masked)] == [5]
    reason = "the calls of shared tie all of its channels"
    assert export.plan(model).rows[0].protected == reason
    alive.decide(masked, 0.4)
    x = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")
    slim = export.strip(masked)
    assert alive.distance(alive.run(masked, x), alive.run(slim, x)) <= 1e-5
