"""A model class with its own `train_step` keeps it when it is masked."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.errors import UnsupportedModelError
from tests.laws import alive
from tests.laws.zoo_graph import OwnStep


def _model(model_class: type) -> keras.Model:
    inputs = keras.Input((6,))
    x = layers.Dense(8, activation="relu", name="hidden")(inputs)
    return model_class(inputs, layers.Dense(3)(x))


def test_own_train_step_is_kept(tmp_path: Path) -> None:
    model = _model(OwnStep)
    masked = kd.mask_model(model, budget=kd.Budget(parameters=0.6))
    assert isinstance(masked, OwnStep) and isinstance(masked, kd.masking.MaskedModel)
    masked.compile("adam", "mse")
    x = np.random.default_rng(0).normal(size=(16, 6)).astype("float32")
    masked.fit(x, np.zeros((16, 3)), epochs=2, verbose=0)
    assert masked.steps_taken > 0 and not hasattr(model, "steps_taken")
    plan = export.plan(masked)
    assert plan.parameters[1] <= 0.6 * plan.parameters[0]
    masked.save(tmp_path / "masked.keras")
    again = keras.saving.load_model(tmp_path / "masked.keras")
    assert type(again) is type(masked)
    assert alive.distance(alive.run(masked, x), alive.run(again, x)) == 0
    assert type(export.strip(masked)) is not type(masked)


def test_class_with_arguments_of_its_own_is_refused() -> None:
    class Picky(keras.Model):
        def __init__(self, *args: Any, weight: float = 1.0, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.weight = weight

    with pytest.raises(UnsupportedModelError, match="Picky with an __init__") as caught:
        kd.mask_model(_model(Picky))
    assert "\n" not in str(caught.value)
    # What the sentence says to do works.
    model = _model(Picky)
    kd.mask_model(keras.Model(model.inputs, model.outputs))
