"""OperationAware and its penalty in layers of their own."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import Gate, layers
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.regularizers import L0, OperationAwarePenalty
from tests.estimators.test_operation_aware_oracle import BETA, GAMMA
from tests.laws.masked_cases import array
from tests.reference import operation_aware as oracle
from tests.reference.gradients import autodiff


@pytest.mark.parametrize("floor", [-3.0, None, 0.5])
def test_operation_aware_penalty_equals_oracle(floor: float | None) -> None:
    layer = _norm(OperationAwarePenalty(0.5, 1.5, floor))
    least = -np.inf if floor is None else floor
    expected = 0.5 * oracle.penalty(GAMMA, BETA, 1.5, least)
    penalty = array(layer.gate.regularizer(layer.gate))
    np.testing.assert_allclose(penalty, expected, rtol=1e-5)
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
