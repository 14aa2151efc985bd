"""Data sets: shapes, scaling, splits that share nothing, and sentences."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_diffmask.errors import (
    ArtifactError,
    InvalidArgumentError,
    MissingDependencyError,
)
from keras_diffmask.export.demo import downloads, splits
from keras_diffmask.export.demo.datasets import load

ROOT = Path(__file__).resolve().parents[3]
DATA = Path(os.environ.get("KERAS_DIFFMASK_DATA", ROOT.parent / "shared" / "data"))


def stored(name):
    if not (DATA / name).is_dir():
        pytest.skip(f"{name}: not in KERAS_DIFFMASK_DATA or ../shared/data")
    return DATA / name


def check(data):
    """What holds for every data set."""
    for x, y in (
        (data.x_train, data.y_train),
        (data.x_val, data.y_val),
        (data.x_test, data.y_test),
    ):
        assert x.dtype == np.float32 and y.dtype == np.int64
        assert x.shape == (len(y), *data.input_shape)
        assert np.isfinite(x).all()
        assert set(np.unique(y)) == set(range(len(data.classes)))
    return data


def as_rows(x):
    return {row.tobytes() for row in x}


@pytest.fixture
def digits():
    pytest.importorskip("sklearn")


def test_digits(digits):
    data = check(load())
    assert data.name == "digits" and data.input_shape == (8, 8, 1)
    assert (data.x_train.min(), data.x_train.max()) == (0, 1)
    total = len(data.x_train) + len(data.x_val) + len(data.x_test)
    assert total == 1797 and 0.24 < len(data.x_test) / total < 0.31
    counts = np.bincount(data.y_test)
    assert counts.max() - counts.min() <= 3
    assert not as_rows(data.x_test) & (as_rows(data.x_train) | as_rows(data.x_val))
    assert not as_rows(data.x_val) & as_rows(data.x_train)


def test_digits_as_sequences(digits):
    images, rows = load("digits"), check(load("digits", task="sequence"))
    assert rows.input_shape == (8, 8)
    np.testing.assert_array_equal(rows.x_test, images.x_test[..., 0])


def test_the_seed_decides_the_split(digits):
    one, again, other = load(seed=1), load(seed=1), load(seed=2)
    np.testing.assert_array_equal(one.x_test, again.x_test)
    np.testing.assert_array_equal(one.x_train, again.x_train)
    assert as_rows(one.x_test) != as_rows(other.x_test)


def test_limit(digits):
    data = check(load(limit=100))
    assert [len(y) for y in (data.y_train, data.y_val, data.y_test)] == [100, 50, 50]
    with pytest.raises(InvalidArgumentError, match="limit of at least 20"):
        load(limit=19)


@pytest.mark.parametrize("wanted", [10, 33, 100])
def test_stratified_choice_keeps_shares(wanted):
    y = np.repeat([0, 1, 2], [10, 30, 60])
    chosen = splits.stratified(y, wanted, np.random.default_rng(0))
    assert len(np.unique(chosen)) == wanted
    counts = np.bincount(y[chosen], minlength=3)
    assert np.abs(counts - wanted * np.array([0.1, 0.3, 0.6])).max() <= 1.5


def made_up(**more):
    generator = np.random.default_rng(0)
    values = dict(
        x_train=generator.normal(3, 2, (60, 5, 4)),
        y_train=np.arange(60) % 2,
        x_test=generator.normal(3, 2, (20, 5, 4)),
        y_test=np.arange(20) % 2,
        classes=("a", "b"),
        name="made up",
        divisor=None,
    )
    return splits.Raw(**{**values, **more})


@pytest.mark.parametrize("task", ["image", "sequence"])
def test_features_are_standardised_by_the_training_part(task):
    x = made_up().x_train.copy()
    x[:, :, 3] = 7.0  # a feature that never changes
    raw = splits.with_validation(splits.for_task(made_up(x_train=x), task), seed=0)
    train, val, test = splits.scaled(raw)
    axes = tuple(a for a in range(train.ndim) if a != 2)
    np.testing.assert_allclose(train.mean(axes).ravel(), 0, atol=1e-9)
    np.testing.assert_allclose(train.std(axes).ravel(), [1, 1, 1, 0], atol=1e-9)
    kept = np.moveaxis(raw.x_train, 2, -1)[..., 0]
    expected = (np.moveaxis(raw.x_test, 2, -1)[..., 0] - kept.mean()) / kept.std()
    np.testing.assert_allclose(np.moveaxis(test, 2, -1)[..., 0], expected)
    assert val.shape[1:] == train.shape[1:]


def test_validation_takes_whole_persons():
    persons = np.repeat(np.arange(10), 6)
    x = np.broadcast_to(persons[:, None, None], (60, 5, 4)).astype(float)
    raw = splits.with_validation(made_up(x_train=x, groups=persons), seed=3)
    inside, outside = set(raw.x_train[:, 0, 0]), set(raw.x_val[:, 0, 0])
    assert len(outside) == 2 and len(inside) == 8 and not inside & outside


@pytest.mark.parametrize(
    "name, task, shape, sizes",
    [
        ("fashion_mnist", "image", (28, 28, 1), (54_000, 6_000, 10_000)),
        ("cifar10", "image", (32, 32, 3), (45_000, 5_000, 10_000)),
        ("speech_commands", "image", (49, 10, 1), (2_692, 385, 775)),
        ("speech_commands", "sequence", (49, 10), (2_692, 385, 775)),
        ("uci_har", "sequence", (128, 9), None),
    ],
)
def test_stored_data(name, task, shape, sizes):
    # Cut down where all of it would only take memory.
    limit = 400 if name == "cifar10" else None
    data = check(load(data_dir=stored(name), task=task, limit=limit))
    assert data.input_shape == shape and data.name == name
    counts = (len(data.y_train), len(data.y_val), len(data.y_test))
    if limit is None and sizes is not None:
        assert counts == sizes
    if name in ("speech_commands", "uci_har"):
        axes = (0, 1, 3)[: data.x_train.ndim - 1]
        np.testing.assert_allclose(data.x_train.mean(axes), 0, atol=1e-3)
        np.testing.assert_allclose(data.x_train.std(axes), 1, atol=1e-3)
    else:
        assert data.x_train.min() >= 0 and data.x_train.max() <= 1


def test_har_needs_the_sequence_task():
    with pytest.raises(InvalidArgumentError, match="uci_har.*--task sequence"):
        load(data_dir=stored("uci_har"))


@pytest.mark.parametrize(
    "given, sentence",
    [
        ({"name": "imagenet"}, "fashion_mnist.*name='imagenet'"),
        ({"task": "text"}, "task='text'"),
        ({"name": "uci_har"}, "data_dir with the files of uci_har"),
        ({"data_dir": "no/such/folder"}, "har_train.npz.*which is no folder"),
        (
            {"data_dir": ".", "name": "uci_har"},
            "har_train.npz.*name='uci_har', without",
        ),
        ({"data_dir": ".", "name": "mnist"}, "mnist: train-ima.*name='mnist', without"),
    ],
)
def test_wrong_questions(given, sentence):
    with pytest.raises(InvalidArgumentError, match=sentence):
        load(**given)


def test_a_failing_download_is_one_sentence(monkeypatch):
    def fail(name):
        raise OSError("no network\nsecond line")

    monkeypatch.setattr(downloads, "_from_keras", fail)
    monkeypatch.setattr(downloads, "_from_tfds", fail)
    with pytest.raises(
        ArtifactError, match="mnist.*OSError: no network. Check"
    ) as found:
        load("mnist")
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("axis", [False, True])
def test_a_download_looks_like_a_folder(monkeypatch, axis):
    x = np.full((40, 28, 28), 255, np.uint8)[..., None][..., 0:1]
    x, y = (x if axis else x[..., 0]), np.arange(40) % 10
    labels = y[:, None] if axis else y
    monkeypatch.setattr(downloads, "_from_keras", lambda name: (x, labels) * 2)
    monkeypatch.setattr(downloads, "_from_tfds", lambda name: (x, labels) * 2)
    data = load("mnist")
    assert data.input_shape == (28, 28, 1) and data.y_train.ndim == 1
    assert load("mnist", task="sequence").input_shape == (28, 28)


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingDependencyError, match="pip install scikit-learn"):
        load()
