"""OperationAware in whole models: what qualifies, what is refused, what is stripped."""

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.errors import InvalidArgumentError, UnsupportedModelError
from tests.laws import alive
from tests.reference import operation_aware as oracle

IMAGE = (10, 10, 2)


def _unit(x: Any, name: str, filters: int, activation: Any = "relu") -> Any:
    x = layers.Conv2D(filters, 3, padding="same", name=f"conv{name}")(x)
    x = layers.BatchNormalization(name=f"bn{name}")(x)
    return activation(x) if callable(activation) else _act(activation, name)(x)


def _act(activation: str, name: str) -> Any:
    return layers.Activation(activation, name=f"act{name}")


def _vgg(filters: tuple[int, ...] = (8, 10, 12)) -> keras.Model:
    """Every way to write a ReLU, and one with a bound."""
    ways = ("relu", layers.ReLU(6.0), keras.ops.relu, "relu6")
    x = inputs = keras.Input(IMAGE)
    for i, (count, way) in enumerate(zip(filters, ways, strict=False)):
        x = _unit(x, str(i), count, way)
        x = layers.MaxPooling2D()(x) if i < 2 else x
    x = layers.Dense(5, name="head")(layers.Flatten()(x))
    return keras.Model(inputs, x)


def _images(count: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, *IMAGE)).astype("float32")


def _jittered(model: keras.Model, seed: int = 0) -> keras.Model:
    """Gammas and betas of which about half close, and statistics to match."""
    rng, x = np.random.default_rng(seed), _images(24)
    alive.enliven(model, x)
    norms = [v for v in model.layers if isinstance(v, layers.BatchNormalization)]
    for norm in norms:
        gamma = rng.uniform(0.3, 1.0, norm.gamma.shape) * rng.choice([-1, 1])
        norm.gamma.assign(gamma)
        norm.beta.assign(0.05 - 1.645 * np.abs(gamma) + rng.normal(0.2, 1, gamma.shape))
        norm.momentum = 0.0
    model(x, training=True)
    for norm in norms:
        norm.momentum = 0.99
    return model


def _assert_closed_form(model: keras.Model) -> None:
    for gate in kd.gates(model):
        norm = model.get_layer(gate.name.replace("conv", "bn").removesuffix("_gate"))
        keep = oracle.stays(alive.array(norm.gamma), alive.array(norm.beta))
        assert np.array_equal(gate.keep, keep), gate.name
        assert 0 < keep.sum() < gate.units


def test_channels_stay_if_and_only_if_the_closed_form_says_so_and_the_strip_is_exact(
    tmp_path: Path,
) -> None:
    original = _jittered(_vgg((8, 10, 12, 6)))
    masked = kd.mask_model(original, "operation_aware")
    assert [gate.units for gate in kd.gates(masked)] == [8, 10, 12, 6]
    assert len(masked.trainable_weights) == len(original.trainable_weights)
    x = _images()
    expected = alive.run(masked, x)
    alive.assert_varies(expected)
    masked.save(tmp_path / "masked.keras")
    loaded = keras.models.load_model(tmp_path / "masked.keras")
    clone = keras.models.clone_model(masked)
    clone.set_weights(masked.get_weights())
    functional = keras.Model(masked.inputs, masked.outputs)
    for model in (masked, loaded, clone, functional):
        _assert_closed_form(model)
        # Where a buffer begins may change how a kernel of the backend rounds.
        assert alive.distance(expected, alive.run(model, x)) <= 1e-6
        slim = export.strip(model)
        assert alive.distance(expected, alive.run(slim, x)) <= 1e-5
        for gate in kd.gates(model):
            layer = slim.get_layer(gate.name.removesuffix("_gate"))
            assert layer.filters == gate.keep.sum()
    # The clone reads its own normalization, and no longer the original's.
    for layer in clone.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.beta.assign(layer.beta + 9.0)
    assert all(gate.keep.all() for gate in kd.gates(clone))
    _assert_closed_form(masked)


def test_decided_by_hand_and_given_back() -> None:
    masked = kd.mask_model(_jittered(_vgg()), "operation_aware")
    gate, x = kd.gates(masked)[1], _images()
    before = gate.keep
    gate.set_keep(np.arange(gate.units) % 2 == 0)
    assert alive.distance(alive.run(masked, x), alive.run(export.strip(masked), x)) <= (
        1e-5
    )
    assert export.strip(masked).get_layer("conv1").filters == 5
    gate.set_keep(None)
    assert np.array_equal(gate.keep, before)


def _data() -> tuple[np.ndarray, np.ndarray]:
    """Five classes, each a place of one bright spot."""
    rng = np.random.default_rng(1)
    x, y = 0.3 * rng.normal(size=(320, *IMAGE)), rng.integers(0, 5, 320)
    for image, label in zip(x, y, strict=True):
        image[2 * label : 2 * label + 2, 3:6, label % 2] += 2.0
    return x.astype("float32"), y


def _fit(masked: keras.Model, epochs: int) -> float:
    x, y = _data()
    masked.compile(
        keras.optimizers.Adam(0.02),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    masked.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
    return float(masked.evaluate(x, y, verbose=0, return_dict=True)["accuracy"])


def test_training_prunes_channels_and_what_is_stripped_needs_no_tuning() -> None:
    keras.utils.set_random_seed(2)
    penalty = kd.regularizers.OperationAwarePenalty(0.01)
    masked = kd.mask_model(_vgg(), "operation_aware", gate_regularizer=penalty)
    assert all(gate.keep.all() for gate in kd.gates(masked))
    accuracy = _fit(masked, epochs=15)
    kept = sum(int(gate.keep.sum()) for gate in kd.gates(masked))
    assert kept < 20 and accuracy > 0.9
    x, _ = _data()
    slim = export.strip(masked)
    assert alive.distance(alive.run(masked, x), alive.run(slim, x)) <= 1e-5
    assert slim.count_params() < 0.6 * _vgg().count_params()


def test_budget_is_met_through_gamma_and_beta() -> None:
    keras.utils.set_random_seed(3)
    budget = kd.Budget(macs=0.4)
    masked = kd.mask_model(_vgg(), "operation_aware", budget=budget)
    _fit(masked, epochs=4)
    plan = export.plan(masked)
    assert 0.25 < plan.macs[1] / plan.macs[0] <= 0.4
    assert all(gate.is_fixed for gate in kd.gates(masked))


def _mixed() -> keras.Model:
    """One conv that suits, and one of every kind that does not."""
    inputs = keras.Input(IMAGE)
    x = _unit(inputs, "_good", 4)
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv_bare")(x)
    x = _unit(x, "_swish", 4, "swish")
    x = _unit(x, "_leaky", 4, layers.ReLU(negative_slope=0.1, name="leaky"))
    x = _unit(x, "_pool", 4, lambda h: layers.ReLU()(layers.MaxPooling2D(name="p")(h)))
    x = layers.Conv2D(4, 3, name="conv_scale")(x)
    x = layers.ReLU()(layers.BatchNormalization(scale=False, name="bn_scale")(x))
    x = layers.Conv2D(4, 1, name="conv_trunk")(x)
    x = layers.BatchNormalization(name="bn_trunk")(x)
    y = layers.ReLU()(x)
    y = layers.BatchNormalization(name="bn_y")(layers.Conv2D(4, 1, name="conv_y")(y))
    x = layers.ReLU()(layers.Add(name="add")([x, y]))
    left, right = (layers.Conv2D(2, 1, name=f"conv_{n}")(x) for n in ("left", "right"))
    x = layers.BatchNormalization(name="bn_both")(layers.Concatenate()([left, right]))
    x = layers.Flatten()(layers.ReLU()(x))
    return keras.Model(inputs, layers.Dense(2)(x), name="mixed")


REASONS = {
    "conv_bare": "no BatchNormalization follows conv_bare",
    "conv_swish": "silu (act_swish) follows bn_swish, OperationAware needs relu or",
    "conv_leaky": "leaky follows bn_leaky, OperationAware needs relu or relu6",
    "conv_pool": "p follows bn_pool, OperationAware needs relu or relu6",
    "conv_scale": "bn_scale has no gamma",
    "conv_y": "add ties it to other channels",
    "conv_left": "bn_both normalizes other channels as well",
    "conv_right": "bn_both normalizes other channels as well",
}


def test_what_does_not_suit_is_left_whole_and_named_in_one_warning() -> None:
    model = _mixed()
    with pytest.warns(UserWarning) as caught:
        masked = kd.mask_model(model, "operation_aware")
    (warning,) = [w for w in caught if "OperationAware leaves" in str(w.message)]
    for layer, reason in REASONS.items():
        assert f"{layer}: {reason}" in str(warning.message)
    assert f"leaves {len(REASONS)} of the groups" in str(warning.message)
    assert Path(warning.filename).name == Path(__file__).name
    assert [gate.name for gate in kd.gates(masked)] == ["conv_good_gate"]
    x = _images(4)
    assert alive.distance(alive.run(model, x), alive.run(masked, x)) == 0.0


@pytest.mark.parametrize("layer", [*REASONS][:-1])  # its twin stands for it
def test_what_was_asked_for_and_does_not_suit_is_refused(layer: str) -> None:
    for arguments in (
        {"estimator": {layer: "operation_aware"}},
        {"estimator": "operation_aware", "include": [layer, "conv_good"]},
    ):
        with pytest.raises(InvalidArgumentError) as caught:
            kd.mask_model(_mixed(), **arguments)
        message = str(caught.value)
        assert f"Expected behind '{layer}', for OperationAware, a Batch" in message
        assert f"received a model in which {REASONS[layer]}" in message
        assert "such as 'hard_concrete', or leave the layer out." in message


def test_what_suits_is_pruned_beside_other_estimators_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "OperationAware")
        masked = kd.mask_model(_mixed(), {"conv_good": "operation_aware"})
        kd.mask_model(_vgg(), "operation_aware")
    kinds = {g.name: type(g.estimator).__name__ for g in kd.gates(masked)}
    assert kinds.pop("conv_good_gate") == "OperationAware"
    assert set(kinds.values()) == {"HardConcrete"}


def test_a_model_in_which_nothing_suits_is_refused() -> None:
    x = inputs = keras.Input(IMAGE)
    x = _unit(x, "1", 4, "swish")
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)), name="swishy")
    with pytest.raises(UnsupportedModelError) as caught:
        kd.mask_model(model, "operation_aware")
    assert str(caught.value) == (
        "Expected a model with at least one layer that has behind it, for "
        "OperationAware, a BatchNormalization with gamma and beta for its channels "
        "alone, and relu or relu6 behind that; received model 'swishy', where conv1: "
        "silu (act1) follows bn1, OperationAware needs relu or relu6. Pass another "
        "estimator, such as 'hard_concrete'."
    )


def test_a_normalization_called_twice_is_no_carrier() -> None:
    inputs = keras.Input(IMAGE)
    x = layers.Conv2D(4, 1, name="conv")(inputs)
    norm = layers.BatchNormalization(name="bn")
    x = layers.ReLU()(norm(layers.ReLU()(norm(x))))
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))
    with pytest.raises(UnsupportedModelError, match="bn is called more than once"):
        kd.mask_model(model, "operation_aware")
