"""A model with quantizers calls its outputs what the user's model calls them."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import keras_diffmask as kd
from keras_diffmask import export

X = np.random.default_rng(0).normal(size=(32, 6)).astype("float32")
Y = np.arange(32) % 3


def _one(body: Any) -> Any:
    return layers.Dense(3, name="cls")(body)


def _activated(body: Any) -> Any:
    # The softmax becomes a layer of its own, named after this one.
    return layers.Dense(3, activation="softmax", name="cls")(body)


def _two(body: Any) -> Any:
    return [_one(body), layers.Dense(3, activation="tanh", name="box")(body)]


def _dict(body: Any) -> Any:
    return dict(zip(("one", "other"), _two(body), strict=True))


def _one_range(body: Any) -> Any:
    """Outputs that share a range: what is joined, and the whole."""
    one, other = _one(body), layers.Dense(3, name="box")(body)
    return [one, layers.Concatenate(name="both")([one, other])]


def _nested(body: Any) -> Any:
    inner = keras.Input((8,))
    return keras.Model(inner, layers.Dense(3)(inner), name="head")(body)


OUTPUTS = {
    "one": _one, "activated": _activated, "two": _two, "dict": _dict,
    "one range": _one_range, "nested": _nested,
}  # fmt: skip


def _model(outputs: str) -> keras.Model:
    keras.utils.set_random_seed(0)
    x = keras.Input((6,))
    body = layers.Dense(8, activation="relu", name="body")(x)
    return keras.Model(x, OUTPUTS[outputs](body))


MADE = {
    "quantized": kd.quantize_model,
    "masked": lambda model: kd.mask_model(model, quantization="int8"),
    "weights": lambda model: kd.mask_model(
        model, granularity="weight", quantization="int8"
    ),
    "stripped": lambda model: export.strip(
        kd.mask_model(model, quantization="int8"), keep_quantizers=True
    ),
}


@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("made", MADE)
def test_outputs_keep_their_names(outputs: str, made: str, tmp_path: Path) -> None:
    model = _model(outputs)
    result = MADE[made](model)
    assert result.output_names == model.output_names
    assert len({*result.output_names}) == len(result.output_names)
    result.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.output_names == model.output_names
    assert keras.models.clone_model(result).output_names == model.output_names


@pytest.mark.parametrize("outputs", ["one", "activated", "two", "dict"])
def test_losses_and_logs_go_by_the_users_names(outputs: str) -> None:
    logs = []
    for model in (_model(outputs), MADE["masked"](_model(outputs))):
        keys = list(model.output) if outputs == "dict" else model.output_names
        model.compile(
            "adam", dict.fromkeys(keys, "mse"), metrics=dict.fromkeys(keys, ["mae"])
        )
        y = np.eye(3, dtype="float32")[Y]
        # Of one output alone Keras takes no dictionary.
        targets = dict.fromkeys(keys, y) if len(keys) > 1 else y
        logs.append({*model.fit(X, targets, verbose=0).history})
    assert logs[0] == logs[1]
    assert not any("range" in name for name in logs[0])


def test_recalibrated_and_without_quantizers_too() -> None:
    model = _model("two")
    quantized = kd.quantize_model(model)
    assert export.recalibrate(quantized, X, 16).output_names == model.output_names
    plain = export.strip(MADE["masked"](_model("one")))
    assert plain.output_names == ["cls"]
