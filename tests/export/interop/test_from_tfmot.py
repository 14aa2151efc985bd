"""Keras 2 models that tfmot pruned: read as they are, and stripped."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.export.interop import read_tfmot
from keras_diffmask.export.interop.tfmot import TOLERANCE, Imported

_NEEDED = ("tensorflow_model_optimization", "tf_keras")
_MISSING = [name for name in _NEEDED if importlib.util.find_spec(name) is None]

pytestmark = [
    pytest.mark.skipif(
        bool(_MISSING), reason=f"{' and '.join(_MISSING)} not installed"
    ),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models written by a process with Keras 2."""
    folder = tmp_path_factory.mktemp("keras2")
    writer = Path(__file__).with_name("keras2_models.py")
    done = subprocess.run(
        [sys.executable, str(writer), str(folder)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture(scope="module")
def structured(folder: Path) -> Imported:
    return read_tfmot(folder / "structured.keras")


@pytest.mark.parametrize("name", ["wrapped.h5", "wrapped.keras", "wrapped_saved"])
def test_magnitude_pruning_with_its_wrappers_on(folder: Path, name: str) -> None:
    before = dict(os.environ)
    with pytest.warns(UserWarning, match="weights are 0") as caught:
        masked = export.from_tfmot(folder / name)
    (told,) = [one for one in caught if one.category is UserWarning]
    assert "removes no channel by itself" in str(told.message)
    assert "\n" not in str(told.message)
    assert isinstance(masked, kd.MaskedModel)
    # Weights behind a mask are 0, where the optimizer left others.
    names = ("stem", "middle", "wide", "head")
    kernels = [np.asarray(masked.get_layer(one).kernel) for one in names]
    shares = [float(np.mean(kernel == 0)) for kernel in kernels]
    assert min(shares) > 0.55, shares
    assert masked.get_layer("stem").kernel_regularizer is not None
    assert dict(os.environ) == before and "tf_keras" not in sys.modules


def test_channels_of_zeros_are_closed(structured: Imported) -> None:
    closed = {
        gate.name: np.flatnonzero(~gate.keep).tolist()
        for gate in kd.gates(structured.model)
    }
    assert closed == {
        "end_gate": [0],  # the others of `stem` live on in the sum
        "branch_gate": [3],  # channel 4 is a constant, but not 0
        "point_gate": [5],
        "wide_gate": [2, 7],  # nobody reads them
    }
    assert (structured.closed, structured.units) == (5, 33)
    assert structured.difference <= TOLERANCE


def test_strip_takes_them_out(structured: Imported) -> None:
    slim = export.strip(structured.model)
    widths = {name: slim.get_layer(name).filters for name in ("branch", "point")}
    # The constant goes too: it folds into the bias of `end`.
    assert widths == {"branch": 4, "point": 9}
    assert slim.get_layer("wide").units == 7
    assert slim.get_layer("stem").filters == 7
    x = np.random.default_rng(3).normal(size=(4, 8, 8, 3)).astype("float32")
    before, after = (np.asarray(m(x)) for m in (structured.model, slim))
    np.testing.assert_allclose(after, before, atol=1e-5 * np.abs(before).max())


def test_what_is_left_of_scattered_zeros_is_counted(structured: Imported) -> None:
    # Two filters of `stem` without a weight, whose channels the sum keeps.
    assert structured.scattered == 2 * 3 * 3 * 3
    assert str(structured).startswith("5 of 33 channels of 'structured' could be ")


def test_layers_of_many_kinds(folder: Path, recwarn: pytest.WarningsRecorder) -> None:
    """Its outputs are compared with those of Keras 2 on the way."""
    masked = export.from_tfmot(folder / "kinds.h5")
    assert not [one for one in recwarn if "weights are 0" in str(one.message)]
    assert [tensor.shape for tensor in masked.outputs] == [(None, 3), (None, 2)]
    assert isinstance(
        masked.get_layer("gru").kernel_constraint, keras.constraints.MaxNorm
    )


def test_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    from keras_diffmask.export.cli import main

    source, target = folder / "structured.keras", tmp_path / "masked.keras"
    assert main(["import-tfmot", str(source), "-o", str(target)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("5 of 33 channels") and "warning" not in err
    assert len(kd.gates(export.load_model(target))) == 4


def test_a_file_that_keras_2_cannot_read(folder: Path, tmp_path: Path) -> None:
    """Weights are missing at the end: one sentence, from the child."""
    import h5py

    damaged = tmp_path / "damaged.h5"
    damaged.write_bytes((folder / "kinds.h5").read_bytes())
    with h5py.File(damaged, "a") as file:
        del file["model_weights"]["gru"]
    with pytest.raises(kd.errors.ArtifactError, match="tf_keras can read") as caught:
        export.from_tfmot(damaged)
    assert "\n" not in str(caught.value)
