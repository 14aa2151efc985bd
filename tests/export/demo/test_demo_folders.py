"""Folders of data made up in the stored layouts, whole and damaged."""

import gzip
import io

import numpy as np
import pytest

from keras_diffmask.errors import ArtifactError, InvalidArgumentError
from keras_diffmask.export.demo.datasets import load


def idx(array, header):
    return gzip.compress(bytes(header) + array.tobytes())


def write_fashion(folder, first=(0, 1)):
    generator = np.random.default_rng(0)
    for split, count in (("train", 60), ("t10k", 20)):
        x = generator.integers(0, 256, (count, 28, 28), np.uint8)
        y = (np.arange(count) % 10).astype(np.uint8)
        y[: len(first)] = first
        (folder / f"{split}-images-idx3-ubyte.gz").write_bytes(idx(x, 16))
        (folder / f"{split}-labels-idx1-ubyte.gz").write_bytes(idx(y, 8))


def test_made_up_fashion_folder(tmp_path):
    folder = tmp_path / "fashion_mnist"
    folder.mkdir()
    write_fashion(folder)
    for given in (
        {"data_dir": folder},
        {"data_dir": tmp_path, "name": "fashion_mnist"},
    ):
        data = load(**given)
        assert data.name == "fashion_mnist" and data.input_shape == (28, 28, 1)
        assert (data.x_train.max(), len(data.x_test)) == (1, 20)


def test_digits_in_the_same_files_are_mnist(tmp_path):
    folder = tmp_path / "digits"
    folder.mkdir()
    write_fashion(folder, first=(7, 2, 1, 0, 4, 1, 4, 9))
    for name in (None, "mnist"):
        data = load(name, folder)
        assert data.name == "mnist" and data.classes[9] == "9"
    with pytest.raises(InvalidArgumentError, match="name='fashion_mnist', without"):
        load("fashion_mnist", folder)


@pytest.mark.parametrize(
    "broken",
    [b"not gzip", gzip.compress(b"short"), b""],
    ids=["not gzip", "cut short", "empty"],
)
def test_damaged_files(tmp_path, broken):
    write_fashion(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(broken)
    with pytest.raises(ArtifactError, match="whole files.*Copy the files again"):
        load(data_dir=tmp_path)


def test_damaged_npz(tmp_path):
    for split in ("train", "test"):
        (tmp_path / f"har_{split}.npz").write_bytes(b"PK\3\4 no archive")
    with pytest.raises(ArtifactError, match="whole files"):
        load(data_dir=tmp_path, task="sequence")


def test_made_up_cifar_folder(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for split, count in (("train", 40), ("test", 20)):
        streams = []
        for i in range(count):
            stream = io.BytesIO()
            picture = np.full((32, 32, 3), 6 * i, np.uint8)
            image.fromarray(picture).save(stream, "JPEG")
            streams.append(np.frombuffer(stream.getvalue(), np.uint8))
        np.savez(
            tmp_path / f"cifar10_{split}.npz",
            jpg=np.concatenate(streams),
            offset=np.cumsum([0, *map(len, streams)]),
            y=np.arange(count) % 10,
            classes=[f"class{i}" for i in range(10)],
        )
    data = load(data_dir=tmp_path)
    assert data.input_shape == (32, 32, 3) and data.classes[3] == "class3"
    np.testing.assert_allclose(data.x_test[:, 0, 0, 0] * 255, np.arange(20) * 6, atol=2)
    with pytest.raises(InvalidArgumentError, match="grey images.*cifar10"):
        load(data_dir=tmp_path, task="sequence")
