"""`carry_optimizer`: on the stripped model training is what it would have been."""

from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.errors import InvalidArgumentError

STEPS, BATCH, EXAMPLES = 4, 8, 16

OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.05),
    "momentum": lambda: keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": lambda: keras.optimizers.Adam(0.02),
    "amsgrad": lambda: keras.optimizers.Adam(0.02, amsgrad=True),
    "average": lambda: keras.optimizers.Adam(0.02, use_ema=True),
    "accumulated": lambda: keras.optimizers.Adam(0.02, gradient_accumulation_steps=2),
    "clipped": lambda: keras.optimizers.Adam(0.02, clipvalue=0.1),
    "adamw": lambda: keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(0.02, 2 * STEPS), weight_decay=0.1
    ),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "adagrad": lambda: keras.optimizers.Adagrad(0.05),
    "adadelta": lambda: keras.optimizers.Adadelta(0.5),
    "adamax": lambda: keras.optimizers.Adamax(0.02),
    "nadam": lambda: keras.optimizers.Nadam(0.02),
    "ftrl": lambda: keras.optimizers.Ftrl(0.05),
    "lion": lambda: keras.optimizers.Lion(0.002),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.02)),
}


def _residual() -> keras.Model:
    inputs = keras.Input((6, 6, 3))
    h = keras.layers.Conv2D(8, 3, padding="same", use_bias=False)(inputs)
    h = keras.layers.ReLU()(keras.layers.BatchNormalization()(h))
    skip = keras.layers.Conv2D(8, 3, padding="same", use_bias=False)(h)
    h = keras.layers.Add()([h, keras.layers.BatchNormalization()(skip)])
    h = keras.layers.DepthwiseConv2D(3, activation="relu")(h)
    h = keras.layers.Dense(6, "sigmoid")(keras.layers.Flatten()(h))
    return keras.Model(inputs, keras.layers.Dense(2)(h))


def _recurrent() -> keras.Model:
    inputs = keras.Input((5, 4))
    h = keras.layers.LSTM(6, return_sequences=True)(inputs)
    h = keras.layers.Bidirectional(keras.layers.GRU(4))(h)
    return keras.Model(inputs, keras.layers.Dense(2)(h))


def _nested() -> keras.Model:
    inner = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(7, "relu"), keras.layers.Dense(5)]
    )
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(6), inner,
                             keras.layers.Dense(2)])  # fmt: skip


MODELS = {"residual": _residual, "recurrent": _recurrent, "nested": _nested}


def _data(model: keras.Model) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(EXAMPLES, *model.inputs[0].shape[1:])).astype("float32")
    return x, draw.normal(size=(EXAMPLES, 2)).astype("float32")


def _decided(model: keras.Model) -> keras.Model:
    """Every second unit of each gate closed for good, as a budget does."""
    for gate in kd.gates(model):
        open_units = np.arange(gate.units) % 2 == 0
        gate.set_keep(open_units)
    return model


def _compile(model: keras.Model, optimizer: keras.Optimizer) -> None:
    """A few steps take longer to compile than to make."""
    eagerly = keras.backend.backend() == "tensorflow"
    model.compile(optimizer, "mse", run_eagerly=eagerly)


def _train(model: keras.Model) -> None:
    x, y = _data(model)
    epochs = STEPS * BATCH // EXAMPLES
    model.fit(x, y, batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0)


def _trained(optimizer: keras.Optimizer, plain: keras.Model) -> keras.Model:
    masked = _decided(kd.mask_model(plain))
    _compile(masked, optimizer)
    _train(masked)
    return masked


def _assert_alike(one: keras.Model, other: keras.Model) -> None:
    assert [w.shape for w in one.weights] == [w.shape for w in other.weights]
    for a, b in zip(one.weights, other.weights, strict=True):
        a, b = keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b)
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize(
    ("optimizer", "model"),
    [(name, "nested") for name in OPTIMIZERS]
    + [("adamw", "residual"), ("adamw", "recurrent")],
)
def test_training_goes_on_as_it_would_have(optimizer: str, model: str) -> None:
    keras.utils.set_random_seed(0)
    masked = _trained(OPTIMIZERS[optimizer](), MODELS[model]())
    slim = export.strip(masked)
    _compile(slim, export.carry_optimizer(masked, slim))
    before = [weight.copy() for weight in slim.get_weights()]
    _train(masked)
    _train(slim)
    _assert_alike(export.strip(masked), slim)
    assert slim.count_params() < masked.count_params()
    # Or else the comparison would be of weights that nothing moved.
    pairs = zip(before, slim.get_weights(), strict=True)
    assert any(np.abs(one - other).max() > 1e-3 for one, other in pairs)
    assert int(slim.optimizer.iterations) == int(masked.optimizer.iterations)


def test_a_fresh_optimizer_would_train_something_else() -> None:
    keras.utils.set_random_seed(0)
    masked = _trained(OPTIMIZERS["adam"](), _residual())
    slim = export.strip(masked)
    _compile(slim, OPTIMIZERS["adam"]())
    _train(masked)
    _train(slim)
    with pytest.raises(AssertionError):
        _assert_alike(export.strip(masked), slim)


def test_what_weight_decay_spares_stays_spared() -> None:
    keras.utils.set_random_seed(0)
    masked = _decided(kd.mask_model(_residual()))
    optimizer = keras.optimizers.AdamW(0.02, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    _compile(masked, kd.protect_gates(optimizer, masked))
    _train(masked)
    slim = export.strip(masked)
    _compile(slim, export.carry_optimizer(masked, slim))
    _train(masked)
    _train(slim)
    _assert_alike(export.strip(masked), slim)


def test_quantizers_train_on_as_well() -> None:
    keras.utils.set_random_seed(0)
    masked = _decided(kd.mask_model(_residual(), quantization="int8"))
    _compile(masked, OPTIMIZERS["adam"]())
    _train(masked)
    slim = export.strip(masked, keep_quantizers=True)
    _compile(slim, export.carry_optimizer(masked, slim))
    _train(masked)
    _train(slim)
    _assert_alike(export.strip(masked, keep_quantizers=True), slim)


def test_nothing_of_the_masked_model_changes() -> None:
    masked = _trained(OPTIMIZERS["adam"](), _residual())
    before = [keras.ops.convert_to_numpy(one).copy() for one in masked.weights]
    states = [
        keras.ops.convert_to_numpy(one).copy() for one in masked.optimizer.variables
    ]
    export.carry_optimizer(masked, export.strip(masked))
    for now, then in zip(masked.weights, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(now), then)
    for now, then in zip(masked.optimizer.variables, states, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(now), then)


def test_a_model_that_was_not_trained_is_refused() -> None:
    masked = _decided(kd.mask_model(_nested()))
    slim = export.strip(masked)
    with pytest.raises(InvalidArgumentError, match="trained with an optimizer"):
        export.carry_optimizer(masked, slim)
    masked.compile("adam", "mse")
    with pytest.raises(InvalidArgumentError, match="trained with an optimizer"):
        export.carry_optimizer(masked, slim)


def test_a_model_that_was_stripped_of_something_else_is_refused() -> None:
    masked = _trained(OPTIMIZERS["adam"](), _nested())
    slim = export.strip(masked)
    for gate in kd.gates(masked):
        gate.set_keep(np.ones(gate.units, bool))
    with pytest.raises(InvalidArgumentError, match="what export.strip makes of"):
        export.carry_optimizer(masked, slim)
    with pytest.raises(InvalidArgumentError, match="what export.strip makes of"):
        export.carry_optimizer(masked, _residual())


def test_an_optimizer_with_other_states_is_refused() -> None:
    masked = _decided(kd.mask_model(_nested()))
    masked.compile(keras.optimizers.Adafactor(), "mse")
    # Not trained: its square roots of vanishing gradients are NaN.
    masked.optimizer.build(masked.trainable_variables)
    with pytest.raises(InvalidArgumentError, match="Adam or SGD.*Adafactor"):
        export.carry_optimizer(masked, export.strip(masked))


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.optimizers.Lamb(0.01),
        lambda: keras.optimizers.Muon(0.01),
        lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Lamb(0.01)),
    ],
    ids=["lamb", "muon", "scaled"],
)
def test_an_optimizer_that_steps_by_norms_of_weights_is_refused(make: Any) -> None:
    masked = _decided(kd.mask_model(_nested()))
    masked.compile(make(), "mse")
    masked.optimizer.build(masked.trainable_variables)
    with pytest.raises(InvalidArgumentError, match="(Lamb|Muon), whose steps depend"):
        export.carry_optimizer(masked, export.strip(masked))
