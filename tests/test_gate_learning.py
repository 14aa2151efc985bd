"""Gate logits learn `logit_scale` times as fast as a weight, whatever the optimizer."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import Gate, layers
from tests.laws.masked_cases import array
from tests.reference.gradients import autodiff

#: Each with what it has beside the plain rule.
OPTIMIZERS: dict[str, tuple[type, dict[str, Any]]] = {
    "sgd": (keras.optimizers.SGD, {}),
    "momentum": (keras.optimizers.SGD, {"momentum": 0.9, "nesterov": True}),
    "adam": (keras.optimizers.Adam, {"amsgrad": True}),
    "adamw": (keras.optimizers.AdamW, {"weight_decay": 0.1}),
    "rmsprop": (keras.optimizers.RMSprop, {"momentum": 0.5, "centered": True}),
    "lion": (keras.optimizers.Lion, {}),
    "nadam": (keras.optimizers.Nadam, {}),
    "adagrad": (keras.optimizers.Adagrad, {}),
}

#: Three steps' gradients, of very different sizes.
GRADIENTS = np.array(
    [[0.5, -2.0, 1e-3, -7.0], [0.4, 1.0, 4e-3, -0.1], [-3.0, 0.2, 1e-3, 6.0]],
    "float32",
)


def _apply(optimizer: Any, variable: Any) -> np.ndarray:
    """How far the gradients take the variable, step by step."""
    # By a name of its own, which ends alike for a gate and for the plain weight.
    optimizer.exclude_from_weight_decay(var_names=["gate_logits"])
    # Under torch Keras fails where no variable at all has weight decay.
    decayed = keras.Variable(np.ones(4, "float32"), name="kernel")
    optimizer.build([variable, decayed])
    places = [array(variable)]
    for gradient in GRADIENTS:
        gradient = keras.ops.convert_to_tensor(gradient)
        optimizer.apply([gradient, gradient], [variable, decayed])
        places.append(array(variable))
    return np.diff(places, axis=0)


@pytest.mark.parametrize("scale", [0.5, 20.0])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_logits_move_as_many_times_as_far_as_a_weight(name: str, scale: float) -> None:
    optimizer_class, arguments = OPTIMIZERS[name]
    plain = keras.Variable(np.zeros(4, "float32"), name="gate_logits")
    expected = scale * _apply(optimizer_class(0.002, **arguments), plain)
    gate = Gate(4, logit_scale=scale)
    gate.build()
    start = array(gate.logits())
    np.testing.assert_allclose(start, gate.estimator.initial_logit(), rtol=1e-6)
    gate.raw_logits.assign(np.zeros(4, "float32"))  # far from where it is clipped
    _apply(optimizer_class(0.002, **arguments), gate.raw_logits)
    moved = array(gate.logits())
    assert np.all(np.abs(moved) > 0.0)
    np.testing.assert_allclose(moved, expected.sum(axis=0), rtol=1e-5)


@pytest.mark.parametrize("scale", [0.5, 1.0, 20.0])
def test_variable_gets_the_gradient_of_the_logits_as_it_is(scale: float) -> None:
    """A rule that divides by the gradient's size would undo a gradient scaled up."""
    gate = Gate(4, logit_scale=scale)
    gate.build()

    def of_raw(raw: Any) -> Any:
        with keras.StatelessScope([(gate.raw_logits, raw)]):
            gradient = keras.ops.convert_to_tensor(GRADIENTS[0])
            return keras.ops.sum(gradient * gate.logits())

    np.testing.assert_array_equal(autodiff(of_raw, np.zeros(4)), GRADIENTS[0])


@pytest.mark.parametrize("level", ["channel", "input", "weight"])
def test_layer_hands_the_scale_to_its_gate(level: str) -> None:
    layer = layers.MaskedDense(4, granularity=level, logit_scale=5.0)
    layer.build((None, 3))
    assert layer.gate.logit_scale == 5.0
    again = layers.MaskedDense.from_config(layer.get_config())
    assert again.logit_scale == 5.0


def test_recurrent_layer_hands_the_scale_to_both_gates() -> None:
    for layer_class in (layers.MaskedLSTM, layers.MaskedLSTMCell):
        layer = layer_class(4, input_estimator="hard_concrete", logit_scale=5.0)
        layer.build((None, 2, 3) if layer_class is layers.MaskedLSTM else (None, 3))
        assert layer.input_gate.logit_scale == layer.hidden_gate.logit_scale == 5.0
        assert layer_class.from_config(layer.get_config()).logit_scale == 5.0
