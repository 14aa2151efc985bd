"""OperationAware against its NumPy oracle, and in a layer of its own."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import Gate, estimators, layers, regularizers, schedules
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.estimators import OperationAware
from keras_diffmask.regularizers import L0, OperationAwarePenalty
from tests.laws.masked_cases import array
from tests.reference import operation_aware as oracle
from tests.reference.gradients import autodiff, central_differences

GAMMA = np.array([1, 1, -1, 0.3, -0.02, 0, 0, 1e-4, 2, 0.5, 0.1], "float32")
BETA = np.array([0, -1.7, -1.5, 0.2, 0.01, 0.06, 0.04, 0.0, -9, 30, -0.3], "float32")
NOISE = np.linspace(0.02, 0.98, len(BETA)).astype("float32")


def _logits(gamma: Any, beta: Any, **arguments: Any) -> Any:
    return OperationAware(**arguments).logits_from(None, (gamma, beta))


def _tensors() -> tuple[Any, Any]:
    return keras.ops.convert_to_tensor(GAMMA), keras.ops.convert_to_tensor(BETA)


@pytest.fixture
def fixed_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    def uniform(shape: Any, *_: Any, **__: Any) -> Any:
        return keras.ops.convert_to_tensor(NOISE.reshape(tuple(shape)))

    monkeypatch.setattr(keras.random, "uniform", uniform)


def _sample(gamma: Any, beta: Any) -> Any:
    return OperationAware().sample(_logits(gamma, beta), keras.random.SeedGenerator(0))


def test_operation_aware_sample_equals_oracle(fixed_noise: None) -> None:
    expected = oracle.sample(GAMMA, BETA, NOISE.astype(np.float64))
    np.testing.assert_allclose(_sample(*_tensors()), expected, atol=2e-6)


def test_operation_aware_gradients_equal_oracle(fixed_noise: None) -> None:
    gamma, beta = _tensors()
    u, wide = NOISE.astype(np.float64), (GAMMA.astype(float), BETA.astype(float))
    estimator = OperationAware()
    for ours, theirs in (
        (_sample, lambda g, b: oracle.sample(g, b, u)),
        (
            lambda g, b: estimator.keep_probability(_logits(g, b)),
            lambda g, b: 1.0 - oracle.p_drop(g, b),
        ),
    ):
        slope = autodiff(lambda b, f=ours: f(gamma, b), BETA)
        expected = central_differences(lambda b, f=theirs: f(wide[0], b), wide[1])
        np.testing.assert_allclose(slope, expected, rtol=1e-3, atol=1e-4)
        assert np.any(slope > 0.01)
        slope = autodiff(lambda g, f=ours: f(g, beta), GAMMA)
        expected = central_differences(lambda g, f=theirs: f(g, wide[1]), wide[0])
        np.testing.assert_allclose(slope, expected, rtol=1e-3, atol=1e-4)
        assert np.all(slope[np.abs(GAMMA) < 1e-3] == 0.0)  # under the floor


def test_operation_aware_keeps_if_and_only_if_the_closed_form_says_so() -> None:
    rng = np.random.default_rng(0)
    gamma = np.concatenate([GAMMA, np.zeros(50), rng.normal(size=4000)])
    edge = 0.05 - 1.645 * np.abs(gamma)
    near = edge + rng.normal(scale=0.02, size=edge.shape)
    beta = np.where(rng.uniform(size=edge.shape) < 0.5, near, rng.normal(size=4061))
    gamma, beta = gamma.astype("float32"), beta.astype("float32")
    keep = array(OperationAware().decide(_logits(gamma, beta))).astype(bool)
    expected = oracle.stays(gamma, beta)
    assert np.array_equal(keep, expected)
    assert np.array_equal(keep, oracle.decide(gamma, beta).astype(bool))
    assert 0.2 < keep.mean() < 0.8
    # Without a floor the quantile decides at every gamma, as the authors have it.
    exact = array(OperationAware().decide(_logits(0.0 * gamma, beta, gamma_floor=1e-8)))
    assert np.array_equal(exact.astype(bool), beta >= 0.05)
    other = OperationAware(threshold=0.0, cutoff=0.5)
    logits = other.logits_from(None, (gamma, beta))
    assert np.array_equal(array(other.decide(logits)).astype(bool), beta >= 0.0)


def test_operation_aware_numbers_of_the_reference() -> None:
    estimator, one, zero = OperationAware(), np.ones(1), np.zeros(1)
    new, dead = (_logits(np.float32(1.0), np.float32(b)) for b in (0.0, -50.0))
    np.testing.assert_allclose(oracle.cdf(one, zero), 0.52, atol=1e-3)
    np.testing.assert_allclose(oracle.p_drop(one, zero), 1.8e-4, atol=5e-6)
    drop = 1.0 - float(estimator.keep_probability(new))
    np.testing.assert_allclose(drop, 1.8e-4, atol=5e-6)
    # Trap 2: a dead channel is on 27 % of the time while training.
    np.testing.assert_allclose(oracle.p_drop(one, zero - 50.0), 0.731, atol=1e-3)
    np.testing.assert_allclose(
        float(estimator.keep_probability(dead)), 0.269, atol=1e-3
    )
    seed = keras.random.SeedGenerator(1)
    on = array(estimator.sample(np.full(40_000, dead, "float32"), seed)) > 0.5
    assert abs(on.mean() - 0.269) < 0.009
    # Trap 3: the slope at the boundary, and that of a new layer.
    gamma = np.array([1.0, 0.1, 0.031], "float32")
    edge = (0.05 - 1.6448536 * gamma).astype("float32")
    slope = autodiff(lambda b: estimator.keep_probability(_logits(gamma, b)), edge)
    np.testing.assert_allclose(slope, 0.516 / gamma, rtol=2e-3)
    slope = autodiff(
        lambda b: estimator.keep_probability(_logits(one.astype("float32"), b)), zero
    )
    np.testing.assert_allclose(slope, 1.5e-3, rtol=0.05)


def test_operation_aware_ranks_where_the_cdf_is_all_ones_or_zeros() -> None:
    estimator = OperationAware()
    score = array(estimator.score(_logits(np.ones(4, "float32"), np.float32(range(4)))))
    assert np.all(np.diff(score) > 0)
    beta = np.array([-90.0, -80.0, 80.0, 90.0], "float32")
    logits = _logits(np.ones(4, "float32"), beta)
    assert np.all(np.diff(array(estimator.score(logits))) > 0)
    p = array(estimator.keep_probability(logits))
    assert p[0] == p[1] and p[2] == p[3]


@pytest.mark.parametrize("floor", [-3.0, None, 0.5])
def test_operation_aware_penalty_equals_oracle(floor: float | None) -> None:
    layer = _norm(regularizers.OperationAwarePenalty(0.5, 1.5, floor))
    least = -np.inf if floor is None else floor
    expected = 0.5 * oracle.penalty(GAMMA, BETA, 1.5, least)
    np.testing.assert_allclose(layer.gate.regularizer(layer.gate), expected, rtol=1e-5)
    gradient = _gradient_of_losses(layer)
    reach = BETA + 1.5 * np.abs(GAMMA)
    np.testing.assert_allclose(gradient["beta"], 0.5 * (reach > least))
    wanted = 0.75 * (reach > least) * np.sign(GAMMA)
    np.testing.assert_allclose(gradient["gamma"], wanted)
    layer.gate.set_keep(BETA > 0)
    assert float(layer.gate.regularizer(layer.gate)) == 0.0


def _norm(regularizer: Any = None, **arguments: Any) -> Any:
    layer = layers.MaskedBatchNormalization(
        estimator="operation_aware", gate_regularizer=regularizer, **arguments
    )
    layer.build((None, 3, len(GAMMA)))
    layer.gamma.assign(GAMMA)
    layer.beta.assign(BETA)
    return layer


def _gradient_of_losses(layer: Any) -> dict[str, np.ndarray]:
    """Of what `add_loss` collects in one call, by the name of the weight."""
    shapes = {"gamma": layer.gamma, "beta": layer.beta}
    x = np.zeros((2, 3, len(GAMMA)), "float32")

    def total(name: str, value: Any) -> Any:
        scope = keras.StatelessScope(
            state_mapping=[(shapes[name], value)], collect_losses=True
        )
        with scope:
            layer(x, training=True)
            layer(x, training=True) if name == "again" else None
            return sum(layer.losses)

    return {
        name: autodiff(lambda v, n=name: total(n, v), array(variable))
        for name, variable in shapes.items()
    }


def test_operation_aware_layer_masks_by_its_own_gamma_and_beta() -> None:
    layer = _norm(L0(0.25))
    x = np.random.default_rng(0).normal(size=(64, 3, len(GAMMA))).astype("float32")
    keep = oracle.stays(GAMMA, BETA)
    assert np.array_equal(layer.gate.keep, keep) and 0 < keep.sum() < len(keep)
    assert all("gate_logits" not in v.path for v in layer.variables)
    plain = keras.layers.BatchNormalization()
    plain.build(x.shape)
    plain.gamma.assign(GAMMA)
    plain.beta.assign(BETA)
    assert np.array_equal(array(layer(x)), array(plain(x)) * keep)
    expected = 0.25 * np.sum(1.0 - oracle.p_drop(GAMMA, BETA)) * 2.0
    np.testing.assert_allclose(float(sum(layer.losses)), expected, rtol=1e-5)
    assert np.all(_gradient_of_losses(layer)["beta"] >= 0.0)
    training = array(layer(x, training=True))
    assert not np.array_equal(training[..., ~keep], 0.0 * training[..., ~keep])
    assert len(layer.losses) == 1  # of the last call, not of both
    layer.gate.set_keep(~keep)
    assert np.all(array(layer(x))[..., keep] == 0.0)
    assert np.all(array(layer(x, training=True))[..., keep] == 0.0)


def _nothing(y: Any, outputs: Any) -> Any:
    return 0.0 * keras.ops.mean(outputs)


def test_operation_aware_penalty_is_added_once_for_a_layer_called_twice(
    tmp_path: Path,
) -> None:
    x = keras.Input((len(GAMMA),))
    norm = layers.MaskedBatchNormalization(
        estimator="operation_aware", gate_regularizer=OperationAwarePenalty(1.0)
    )
    model = keras.Model(x, norm(keras.layers.ReLU()(norm(x))))
    norm.gamma.assign(GAMMA)
    data = np.random.default_rng(0).normal(size=(8, len(GAMMA))).astype("float32")
    model.compile(keras.optimizers.SGD(0.0), _nothing)
    expected = oracle.penalty(GAMMA, 0.0 * BETA, 2.0, -3.0)
    for loss in (model.evaluate(data, data), model.train_on_batch(data, data)):
        np.testing.assert_allclose(loss, expected, rtol=1e-5)
    model.save(tmp_path / "m.keras")
    back = keras.models.load_model(tmp_path / "m.keras", compile=False)
    assert np.array_equal(array(back(data)), array(model(data)))


def test_operation_aware_survives_json_with_its_schedule() -> None:
    fall = schedules.Exponential(2.0, 0.5, steps=10)
    estimator = OperationAware(temperature=fall, cutoff=0.9)
    config = keras.saving.serialize_keras_object(estimator)
    restored = estimators.get(json.loads(json.dumps(config)))
    assert restored.get_config() == estimator.get_config()
    assert restored.is_scheduled and "initial_keep" not in restored.get_config()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"sharpness": 0.0}, "sharpness > 0; received sharpness=0.0"),
        ({"cutoff": 1.0}, r"cutoff in the open interval \(0, 1\)"),
        ({"temperature": -1.0}, "temperature to be a finite number > 0"),
        ({"gamma_floor": 0.0}, "gamma_floor > 0"),
        ({"threshold": float("nan")}, "a finite threshold"),
    ],
)
def test_operation_aware_raises_for_a_bad_constant(
    arguments: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=sentence):
        OperationAware(**arguments)


@pytest.mark.parametrize(
    "arguments", [{"deviations": -1.0}, {"floor": float("inf")}, {"strength": -1.0}]
)
def test_operation_aware_penalty_raises_for_a_bad_argument(arguments: Any) -> None:
    with pytest.raises(
        InvalidArgumentError, match=f"Expected .*{next(iter(arguments))}"
    ):
        OperationAwarePenalty(**arguments)


def test_operation_aware_is_refused_where_there_is_no_batch_normalization() -> None:
    for layer_class, arguments in (
        (layers.MaskedDense, {"units": 3}),
        (layers.MaskedConv2D, {"filters": 3, "kernel_size": 3}),
        (layers.MaskedLayerNormalization, {}),
        (layers.ChannelMask, {}),
    ):
        with pytest.raises(InvalidArgumentError) as caught:
            layer_class(estimator="operation_aware", name="one", **arguments)
        assert str(caught.value) == (
            "Expected BatchNormalization under the OperationAware gate of 'one', for "
            f"it reads gamma and beta; received a {layer_class.__name__}. Put the gate "
            "on a MaskedBatchNormalization behind it, with relu or relu6 behind that, "
            "or pass another estimator, such as 'hard_concrete'."
        )
    with pytest.raises(InvalidArgumentError, match="Expected BatchNormalization under"):
        layers.MaskedLSTM(3, hidden_estimator="operation_aware")
    for missing in ("scale", "center"):
        weight = {"scale": "gamma", "center": "beta"}[missing]
        with pytest.raises(
            InvalidArgumentError, match=f"with {weight} for .*'bn'.*{missing}=True"
        ):
            layers.MaskedBatchNormalization(
                estimator="operation_aware", name="bn", **{missing: False}
            ).build((None, 4))
    mask, _ = Gate(4, "operation_aware", name="alone")(keras.Input((2,)))
    # Keras wraps what a call raises, whole sentence and all.
    with pytest.raises(RuntimeError, match="gate of 'two'.*a MaskedDense"):
        dense = layers.MaskedDense(4, estimator=None, name="two")
        dense(keras.Input((2,)), gate_mask=mask)
    with pytest.raises(RuntimeError, match="gate 'alone'.*a gate on its own"):
        gate = Gate(4, "operation_aware", name="alone")
        gate(np.ones((1, 2), "float32"))
    with pytest.raises(InvalidArgumentError, match="OperationAwarePenalty is a"):
        Gate(4, "hard_concrete", regularizer="operation_aware_penalty")
