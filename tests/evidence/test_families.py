"""The networks that are pruned: which for which data, and at what widths."""

from pathlib import Path

import keras
import numpy as np
import pytest

from keras_diffmask.export.demo import folders
from keras_diffmask.export.evidence.families import (
    DS_CNN,
    FAMILIES,
    RESNET8,
    TWO_LSTM,
    family_for,
)
from tests.evidence.peers.examples import SHAPES, with_statistics


def _outputs(model: keras.Model, x: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(x, training=False))


@pytest.mark.parametrize("name", FAMILIES)
def test_widths_are_read_off_the_weights(name: str) -> None:
    family, shape = FAMILIES[name], SHAPES[name]
    widths = [5, 7, 9, 11, 13, 8][: len(family.widths)]
    model = with_statistics(family.at_widths(widths, shape, 3))
    twin = family.with_weights(shape, 3, model.get_weights())
    assert family.widths_of(twin.get_weights()) == widths
    x = np.random.default_rng(2).random((4, *shape), np.float32)
    np.testing.assert_array_equal(_outputs(twin, x), _outputs(model, x))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_narrowed_family(name: str) -> None:
    family, shape = FAMILIES[name], SHAPES[name]
    whole, half = (family.network(shape, 3, width) for width in (1.0, 0.5))
    assert family.widths_of(whole.get_weights()) == list(family.widths)
    assert family.widths_of(half.get_weights()) == [n // 2 for n in family.widths]
    least = family.network(shape, 3, 0.001)
    assert set(family.widths_of(least.get_weights())) == {1}


def test_a_family_for_the_data_in_a_folder(motion: Path, tmp_path: Path) -> None:
    assert family_for(None) is RESNET8
    assert family_for(str(motion)) is TWO_LSTM
    speech = tmp_path / "speech"
    speech.mkdir()
    for part in ("train", "val", "test"):
        assert family_for(speech) is RESNET8, "not before all files are there"
        (speech / f"kws_{part}.npz").touch()
    assert family_for(speech) is DS_CNN
    assert folders.holds(speech, "speech_commands")
    assert not folders.holds(speech, "uci_har") and not folders.holds(speech, "no")
