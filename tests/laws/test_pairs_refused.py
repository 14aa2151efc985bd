"""A pair of estimator and granularity without a meaning ends in one sentence."""

from typing import Any

import keras
import pytest

import keras_diffmask as kd
from keras_diffmask import granularity, layers
from keras_diffmask.errors import InvalidArgumentError
from tests.laws.masked_cases import LEVELS, Case, make_estimator
from tests.laws.masked_examples import EXAMPLES
from tests.laws.pairs import every_estimator


@every_estimator
def test_pair_without_a_meaning_is_refused_by_every_layer(key: str) -> None:
    """With the granularities that work; the others are taken."""
    for layer_class in layers.ALL_OBJECTS:
        for name in granularity.NAMES:
            case = Case(layer_class, LEVELS[name], EXAMPLES[layer_class][0])
            if "granularity" not in case.gate_arguments(None) and name != "channel":
                continue
            fits = name in layer_class.granularities and case.takes(key)
            if fits:
                case.bare(make_estimator(key))
                continue
            with pytest.raises(InvalidArgumentError) as caught:
                case.bare(make_estimator(key), name="fork")
            sentence = str(caught.value)
            if name not in layer_class.granularities:
                for word in layer_class.granularities:
                    assert word in sentence, (sentence, layer_class, name)
            else:
                assert "'fork'" in sentence, (sentence, layer_class, name)
                _assert_says_what_works(sentence, layer_class, key)


def _assert_says_what_works(sentence: str, layer_class: Any, key: str) -> None:
    estimator = make_estimator(key)
    if estimator.carrier and not issubclass(layer_class, estimator.carrier):
        assert estimator.carrier.__name__ in sentence
        return
    works = [n for n in layer_class.granularities if n in estimator.granularities]
    for word in works or ["none on this layer"]:
        assert word in sentence, (sentence, layer_class)


@every_estimator
def test_pair_without_a_meaning_is_refused_by_mask_model(key: str) -> None:
    x = inputs = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(x)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    x = keras.layers.Dense(4)(keras.layers.Flatten()(x))
    model = keras.Model(inputs, x)
    works = make_estimator(key).granularities
    for name in LEVELS:
        if name == "branch":
            continue  # there is none in this model
        if name in works:
            assert kd.gates(kd.mask_model(model, make_estimator(key), LEVELS[name]))
            continue
        with pytest.raises(InvalidArgumentError) as caught:
            kd.mask_model(model, make_estimator(key), LEVELS[name])
        assert f"granularity={LEVELS[name]!r}" in str(caught.value)
        assert all(repr(word) in str(caught.value) for word in works)
