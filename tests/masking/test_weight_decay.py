"""Gates get no weight decay, whatever the optimizer."""

import inspect
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask.errors import InvalidArgumentError

_WRAPPERS = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer"}
#: Every optimizer of this Keras, whatever is added to it later.
OPTIMIZERS = sorted(
    name
    for name, one in vars(keras.optimizers).items()
    if inspect.isclass(one)
    and issubclass(one, keras.optimizers.Optimizer)
    and name not in _WRAPPERS
)
HUGE = 10.0


def dense() -> keras.Model:
    keras.utils.set_random_seed(5)
    some = keras.initializers.RandomNormal(0.5)  # a bias of 0 would not show decay
    layers = [
        keras.layers.Dense(4, "relu", bias_initializer=some),
        keras.layers.Dense(2, bias_initializer=some),
    ]
    return keras.Sequential([keras.Input((3,)), *layers])


def fixed(model: Any) -> Any:
    """The model with decided gates, whose logits have a gradient of 0."""
    for gate in kd.gates(model):
        gate.set_keep(np.ones(gate.mask_shape, bool))
    return model


def made(name: str, rate: float | None) -> Any:
    optimizer = getattr(keras.optimizers, name)
    # Muon's second one, for the variables that it leaves to AdamW.
    other = "adam_weight_decay"
    more = {other: rate} if other in inspect.signature(optimizer).parameters else {}
    return optimizer(learning_rate=0.01, weight_decay=rate, **more)


def step(
    model: Any, optimizer: Any, batch: int = 4
) -> tuple[list[Any], list[Any], list[Any]]:
    """Gate variables before and after a short `fit`, and the weights after it."""
    logits = [gate.raw_logits for gate in kd.gates(model)]
    ids = {id(one) for one in logits}
    weights = [v for v in model.trainable_variables if id(v) not in ids]
    before = arrays(logits)
    if optimizer is not None:
        model.compile(optimizer, "mse", run_eagerly=True)
    x = np.linspace(-1, 1, 12).reshape(4, 3).astype("float32")
    model.fit(x, np.ones((4, 2), "float32"), batch_size=batch, verbose=0)
    return before, arrays(logits), arrays(weights)


def arrays(variables: list[Any]) -> list[Any]:
    return [keras.ops.convert_to_numpy(v).copy() for v in variables]


def same(some: list[Any], others: list[Any]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(some, others, strict=True))


def test_the_optimizers_are_those_of_keras() -> None:
    assert {"SGD", "Adam", "AdamW", "Adamax", "Adagrad", "Adadelta"} < set(OPTIMIZERS)
    assert {"RMSprop", "Nadam", "Ftrl", "Lion", "Lamb", "Adafactor"} < set(OPTIMIZERS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weights_decay_and_gates_do_not(name: str) -> None:
    def after(rate: float) -> tuple[list[Any], list[Any], list[Any]]:
        masked = kd.mask_model(dense(), granularity="weight")
        # Two steps: after the first, ScheduleFreeAdamW overwrites what decayed.
        return step(fixed(masked), made(name, rate), batch=2)

    _, gates_without, weights_without = after(0.0)
    before, gates, weights = after(HUGE)
    assert same(gates, gates_without)
    for one, other in zip(weights, weights_without, strict=True):
        assert np.any(one != other)
    if name != "Ftrl":  # sets what has had no gradient to 0, decay or not
        for now, then in zip(gates, before, strict=True):
            np.testing.assert_allclose(now, then, rtol=1e-6)


def hand_built() -> Any:
    keras.utils.set_random_seed(5)
    layers = [kd.layers.MaskedDense(4, "relu"), keras.layers.Dense(2)]
    return fixed(keras.Sequential([keras.Input((3,)), *layers]))


def test_a_hand_built_model_asks_for_it() -> None:
    model = hand_built()
    before, after, _ = step(model, made("AdamW", HUGE))
    assert not same(before, after), "the check below could not fail"
    model = hand_built()
    optimizer = made("AdamW", HUGE)
    assert kd.protect_gates(optimizer, model) is optimizer
    before, after, _ = step(model, optimizer)
    assert same(before, after)


def wrapped(kind: str) -> Any:
    inner = made("AdamW", HUGE)
    if kind == "loss scale":
        return keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0)
    other = {".*kernel": made("SGD", HUGE)}
    optimizers = keras.optimizers.OptimizerMap(inner, other)
    return keras.optimizers.MultiOptimizer(optimizers)


@pytest.mark.parametrize("kind", ["loss scale", "multi"])
def test_an_optimizer_around_others_is_looked_into(kind: str) -> None:
    before, after, _ = step(fixed(kd.mask_model(dense())), wrapped(kind))
    assert same(before, after)


def test_a_name_is_as_good_as_an_optimizer() -> None:
    before, after, _ = step(fixed(kd.mask_model(dense())), "adamw")
    assert same(before, after)


def test_what_was_excluded_stays_excluded() -> None:
    optimizer = made("SGD", HUGE)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    _, _, weights = step(fixed(kd.mask_model(dense())), optimizer)
    _, _, without = step(fixed(kd.mask_model(dense())), made("SGD", None))
    is_equal = [same([a], [b]) for a, b in zip(weights, without, strict=True)]
    assert is_equal == [a.ndim == 1 for a in weights]


def test_a_loaded_model_goes_on_without_decay(tmp_path: Path) -> None:
    model = fixed(kd.mask_model(dense()))
    step(model, made("AdamW", HUGE))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    kept = [v.shape for v in model.optimizer.variables]
    assert [v.shape for v in loaded.optimizer.variables] == kept
    ours, theirs = model.optimizer.variables, loaded.optimizer.variables
    assert same(arrays(ours), arrays(theirs))
    before, after, weights = step(loaded, None)
    assert same(before, after)
    _, _, expected = step(model, None)
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    # Another loss for the same optimizer, which knows the gates by now.
    loaded.compile(loaded.optimizer, "mae")


class OwnCompile(keras.Model):
    """A user's class that takes an argument of its own."""

    def compile(self, optimizer: Any, factor: float) -> None:
        super().compile(optimizer, "mse", run_eagerly=True)
        self.factor = factor

    def get_compile_config(self) -> dict[str, Any]:
        optimizer = keras.optimizers.serialize(self.optimizer)
        return {"optimizer": optimizer, "factor": self.factor}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        optimizer = keras.optimizers.deserialize(config["optimizer"])
        self.compile(optimizer, config["factor"])


def test_a_class_with_a_compile_of_its_own_keeps_it(tmp_path: Path) -> None:
    plain = dense()
    model = kd.mask_model(OwnCompile(plain.inputs, plain.outputs))
    fixed(model).compile(made("AdamW", HUGE), factor=3.0)
    model.save(tmp_path / "model.keras")
    loaded: Any = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.factor == 3.0
    before, after, _ = step(loaded, None)
    assert same(before, after)


def test_an_optimizer_that_has_trained_another_model_is_refused() -> None:
    model, optimizer = hand_built(), made("AdamW", HUGE)
    optimizer.build(model.trainable_variables)
    with pytest.raises(InvalidArgumentError, match=r"AdamW.*already built.*Make a new"):
        kd.protect_gates(optimizer, model)
    # Without weight decay there is nothing to refuse.
    optimizer = made("Adam", None)
    optimizer.build(model.trainable_variables)
    kd.protect_gates(optimizer, model)


def test_a_choice_of_optimizers_by_function_is_refused() -> None:
    optimizer = keras.optimizers.MultiOptimizer(lambda variable: made("SGD", HUGE))
    with pytest.raises(InvalidArgumentError, match="OptimizerMap"):
        kd.protect_gates(optimizer, hand_built())


def test_a_model_without_variables_is_refused() -> None:
    model = keras.Sequential([kd.layers.MaskedDense(4)])
    with pytest.raises(InvalidArgumentError, match="not built"):
        kd.protect_gates(made("AdamW", HUGE), model)
