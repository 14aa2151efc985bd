"""Who strips a model that was never masked is told, unless something went."""

import warnings
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import keras_diffmask as kd
from keras_diffmask import export


def _model() -> keras.Model:
    return keras.Sequential(
        [keras.Input((4,)), layers.Dense(8, name="first"), layers.Dense(2)],
        name="plain",
    )


def test_a_model_without_gates_comes_back_as_it_was_with_a_warning() -> None:
    sentence = "^strip returns 'plain' as it was, for .*no gates.*mask_model returned"
    with pytest.warns(UserWarning, match=sentence) as caught:
        slim = export.strip(_model())
    said = [one.filename for one in caught if "strip returns" in str(one.message)]
    assert said == [__file__]
    assert slim.count_params() == _model().count_params()


def _zeros() -> Any:
    model = _model()
    kernel, bias = model.get_layer("first").get_weights()
    model.get_layer("first").set_weights([kernel * (np.arange(8) > 3), bias])
    return model


def _masked() -> Any:
    return kd.mask_model(_model())  # all open: nothing goes


def _quantized() -> Any:
    return kd.quantize_model(_model())


def _low_rank() -> Any:
    model = _model()
    model.get_layer("first").enable_lora(2)
    return model


@pytest.mark.parametrize("make", [_zeros, _masked, _quantized, _low_rank])
def test_nothing_is_said_where_there_was_something_to_do(make: Any) -> None:
    model = make()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        slim = export.strip(model)
    if make is _zeros:
        assert slim.get_layer("first").units == 4


def test_quantizers_that_are_not_there_are_told_of() -> None:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Dense(6)(inputs)))
    masked = kd.mask_model(model)
    with pytest.warns(UserWarning, match="has none.*quantization='int8'"):
        slim = export.strip(masked, keep_quantizers=True)
    assert type(slim) is type(export.strip(masked))
