"""`.keras` files: missing, foreign, with code inside, written whole."""

import zipfile

import keras
import numpy as np
import pytest

from keras_diffmask import export
from keras_diffmask.errors import ArtifactError


@pytest.fixture
def model():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])


def test_round_trip(model, tmp_path):
    path = export.save_model(model, tmp_path / "model.keras")
    assert [file.name for file in tmp_path.iterdir()] == ["model.keras"]
    x = np.ones((2, 3), "float32")
    np.testing.assert_array_equal(export.load_model(path)(x), model(x))


def test_missing(tmp_path):
    with pytest.raises(ArtifactError, match=r"an existing \.keras file; .*'.*no\.ker"):
        export.load_model(tmp_path / "no.keras")
    with pytest.raises(ArtifactError, match="which is no file"):
        export.load_model(tmp_path)


def test_not_a_keras_file(tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(ArtifactError, match="a zip archive with config.json"):
        export.load_model(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no model")
    with pytest.raises(ArtifactError, match="a zip archive with config.json"):
        export.load_model(path)


def test_damaged_config(tmp_path):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{")
    with pytest.raises(ArtifactError, match="that Keras can rebuild") as caught:
        export.load_model(path)
    assert "\n" not in str(caught.value)


def test_damage_that_zipfile_takes_for_a_later_version(model, tmp_path):
    path = tmp_path / "model.keras"
    model.save(path)
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\1\2") + 6] = 200  # "version needed to extract"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="a zip archive with config.json"):
        export.load_model(path)


def test_lambda_needs_permission(tmp_path):
    doubler = keras.layers.Lambda(lambda x: 2.0 * x, output_shape=(3,))
    path = tmp_path / "model.keras"
    keras.Sequential([keras.Input((3,)), doubler]).save(path)
    with pytest.raises(ArtifactError, match="Lambda layer.*safe_mode=False"):
        export.load_model(path)
    trusted = export.load_model(path, safe_mode=False)
    assert np.asarray(trusted(np.ones((1, 3), "float32"))).tolist() == [[2.0] * 3]


def test_save_needs_the_suffix(model, tmp_path):
    with pytest.raises(ArtifactError, match=r"ends in \.keras; .*'model.keras'"):
        export.save_model(model, tmp_path / "model.h5")
    assert not list(tmp_path.iterdir())


def test_failed_save_keeps_the_old_file(model, tmp_path, monkeypatch):
    path = export.save_model(model, tmp_path / "model.keras")
    before = path.read_bytes()

    def half(self, filepath, **options):
        filepath.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keras.Sequential, "save", half)
    with pytest.raises(ArtifactError, match="No space left on device"):
        export.save_model(model, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.keras"]


def test_unwritable_path(model, tmp_path):
    with pytest.raises(ArtifactError, match="a path that can be written"):
        export.save_model(model, tmp_path / "missing" / "model.keras")
