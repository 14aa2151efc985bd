"""DifferentiableMask against its NumPy oracle, and its way through a model."""

import json
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export, schedules
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.estimators import DifferentiableMask
from tests.laws.masked_cases import array, set_logits
from tests.reference import differentiable_mask as oracle
from tests.reference.gradients import autodiff

SCALES = np.array(
    [-9.0, -1.0, -0.26, -0.25, -0.1, 0.0, 1e-3, 0.2, 0.25, 0.26, 0.6, 1.0, 1.4, 3.0],
    dtype="float32",
)
FORMS = ["scaled", "mask"]
every_form = pytest.mark.parametrize("form", FORMS)


@every_form
def test_differentiable_mask_is_the_oracle_in_training_and_inference(form: str) -> None:
    estimator = DifferentiableMask(0.25, form)
    scales, seed = keras.ops.convert_to_tensor(SCALES), keras.random.SeedGenerator(0)
    expected = oracle.decide(SCALES, 0.25, form).astype("float32")
    assert np.array_equal(estimator.decide(scales), expected)
    assert np.array_equal(estimator.sample(scales, seed), expected)
    assert np.array_equal(estimator.keep_probability(scales), expected != 0.0)
    assert np.array_equal(estimator.score(scales), np.abs(SCALES))


@pytest.mark.parametrize("width", [1.5, 2.0, 4.0])
@every_form
def test_differentiable_mask_gradient_is_the_stated_one(
    form: str, width: float
) -> None:
    estimator = DifferentiableMask(0.25, form, width)
    seed = keras.random.SeedGenerator(0)
    ours = autodiff(lambda a: estimator.sample(a, seed), SCALES)
    expected = oracle.gradient(SCALES, 0.25, form, width)
    np.testing.assert_allclose(ours, expected, atol=1e-6)
    # Closed or not, a scale within the range that a gate keeps it in can move.
    high = estimator.logit_range[1]
    inside = np.abs(SCALES) <= high
    assert inside.sum() > 8 and np.all(ours[inside] != 0.0)


@every_form
def test_differentiable_mask_penalty_has_the_gradient_of_the_magnitude(
    form: str,
) -> None:
    slope = autodiff(DifferentiableMask(0.25, form).keep_probability, SCALES)
    assert np.array_equal(slope, oracle.sign(SCALES))


def test_differentiable_mask_never_draws_noise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forbidden(*_: Any, **__: Any) -> Any:
        raise AssertionError("noise was drawn")

    monkeypatch.setattr(keras.random, "uniform", forbidden)
    seed = keras.random.SeedGenerator(0)
    DifferentiableMask().sample(keras.ops.convert_to_tensor(SCALES), seed)


def test_differentiable_mask_threshold_follows_its_schedule() -> None:
    rise = schedules.Linear(0.01, 0.5, steps=10)
    estimator = DifferentiableMask(rise)
    assert estimator.is_scheduled and not DifferentiableMask().is_scheduled
    for step, threshold in ((0, 0.01), (5, 0.255), (99, 0.5)):
        expected = oracle.decide(SCALES, threshold)
        ours = estimator.decide(keras.ops.convert_to_tensor(SCALES), step)
        np.testing.assert_allclose(ours, expected, rtol=1e-6)
    restored = DifferentiableMask.from_config(
        json.loads(json.dumps(estimator.get_config()))
    )
    assert restored.get_config() == estimator.get_config()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"threshold": 0.0}, "threshold .* > 0, < 1; received threshold=0.0"),
        ({"threshold": -0.1}, "threshold .* > 0, < 1; received threshold=-0.1"),
        ({"threshold": 1.0}, "threshold .* > 0, < 1; received threshold=1.0"),
        ({"threshold": schedules.Linear(0.1, -0.1, 9)}, "> 0, < 1 at every step"),
        ({"form": "soft"}, "form to be 'scaled' or 'mask'; received form='soft'"),
        ({"width": 1.0}, "a finite width > 1; received width=1.0. Pass 2.0"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_differentiable_mask_raises_for_an_argument_outside_of_its_range(
    arguments: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=sentence):
        DifferentiableMask(**arguments)


def _gate(**arguments: Any) -> kd.Gate:
    gate = kd.Gate(4, DifferentiableMask(0.25), **arguments)
    gate.build()
    return gate


def test_gate_opens_units_with_their_scale_and_never_below_the_threshold() -> None:
    gate = _gate()
    set_logits(gate, [-2.0, 0.1, -0.1, 0.0])
    gate.set_keep(np.ones(4, bool))
    for training in (False, True):
        mask = array(gate(training=training)[0])
        np.testing.assert_allclose(mask, [-2.0, 0.25, -0.25, 0.25])
    assert gate.keep.all()
    gate.set_keep(np.array([True, False, True, False]))
    np.testing.assert_allclose(array(gate.inference_mask()), [-2.0, 0, -0.25, 0])


def test_gate_ranks_by_magnitude_for_its_last_unit_and_for_multiples() -> None:
    gate = _gate()
    set_logits(gate, [0.1, -0.2, 0.0, 0.15])
    np.testing.assert_allclose(array(gate.inference_mask()), [0, -0.25, 0, 0])
    gate = _gate(multiple=2)
    set_logits(gate, [0.1, -0.2, -3.0, 0.15])
    np.testing.assert_allclose(array(gate.inference_mask()), [0, -0.25, -3.0, 0])


def _model() -> keras.Model:
    keras.utils.set_random_seed(3)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(6, 3, use_bias=False)(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.Conv2D(5, 3, activation="sigmoid")(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(7, activation="relu", bias_initializer="normal")(x)
    return keras.Model(inputs, keras.layers.Dense(2)(x))


@every_form
def test_model_starts_as_the_original_and_strips_exactly(form: str) -> None:
    """Negative and fractional scales are folded into the weights."""
    original, rng = _model(), np.random.default_rng(0)
    x = rng.normal(size=(4, 8, 8, 3)).astype("float32")
    masked = kd.mask_model(original, DifferentiableMask(0.25, form))
    assert np.array_equal(array(original(x)), array(masked(x)))
    for gate in kd.gates(masked):
        set_logits(gate, rng.permutation(np.linspace(-1.4, 1.3, gate.units)))
        assert 0 < gate.keep.sum() < gate.units
    expected = array(masked(x))
    slim = export.strip(masked)
    np.testing.assert_allclose(array(slim(x)), expected, atol=1e-5)
    widths = [w.shape[-1] for w in slim.weights if len(w.shape) > 1][:-1]
    assert widths == [int(gate.keep.sum()) for gate in kd.gates(masked)]
    assert kd.summary(masked, verbose=False).layers[0].units == (widths[0], 6)


def test_l1_closes_gates_while_the_task_is_learned() -> None:
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(64, 6)).astype("float32")
    y = np.abs(x[:, :1])
    inputs = keras.Input((6,))
    layer = kd.layers.MaskedDense(
        12,
        activation="relu",
        estimator=DifferentiableMask(0.25),
        gate_regularizer=kd.regularizers.L1(0.02),
        kernel_regularizer=keras.regularizers.L2(1e-3),
    )
    model = keras.Model(inputs, keras.layers.Dense(1)(layer(inputs)))
    model.compile(keras.optimizers.Adam(0.02), "mse")
    model.fit(x, y, epochs=150, batch_size=64, verbose=0)
    error = np.mean((model.predict(x, verbose=0) - y) ** 2)
    assert layer.gate.keep.sum() < 12 and error < 0.25 * np.var(y)
