"""Tiny data sets in the layouts of the real ones."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import targets
from keras_diffmask.export.artifact import Artifact
from keras_diffmask.export.evidence.classifier import trial as classifier_trial
from keras_diffmask.export.evidence.lstm_int8 import trial as lstm_trial
from keras_diffmask.export.evidence.pruning import files, trainings
from tests.evidence.small_family import SMALL

WORDS = ("the", "cat", "saw", "a", "dog", "N", "times", "<unk>")


def write_text(path: Path, lines: int, seed: int) -> None:
    """Sentences of words of which some are far more frequent than others."""
    generator = np.random.default_rng(seed)
    chances = 0.5 ** np.arange(1, len(WORDS) + 1)
    lengths = generator.integers(3, 9, lines)
    drawn = [generator.choice(WORDS, n, p=chances / chances.sum()) for n in lengths]
    path.write_text("".join(f" {' '.join(sentence)} \n" for sentence in drawn))


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder above `ptb`, with three texts."""
    root = tmp_path_factory.mktemp("texts")
    (root / "ptb").mkdir()
    for seed, (part, lines) in enumerate((("train", 200), ("valid", 20), ("test", 25))):
        write_text(root / "ptb" / f"ptb.{part}.txt", lines, seed)
    return root


@pytest.fixture(scope="session")
def motion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ten persons' windows of 12 steps, in three classes."""
    root = tmp_path_factory.mktemp("motion")
    generator = np.random.default_rng(0)
    for part, count in (("train", 120), ("test", 60)):
        y = np.arange(count) % 3
        x = generator.standard_normal((count, 12, 4)) + y[:, None, None]
        np.savez(
            root / f"har_{part}.npz",
            x=x.astype(np.float16),
            y=y.astype(np.uint8),
            subject=(np.arange(count) // 3 % 10).astype(np.uint8),
            classes=np.array(["walk", "sit", "lie"]),
        )
    return root


@pytest.fixture(scope="module")
def small_family() -> Iterator[None]:
    """What is trained for images is small, and known by the name of a ResNet-8."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainings, "family_for", lambda data_dir: SMALL)
        yield


@pytest.fixture(scope="module")
def converts_here() -> Iterator[None]:
    """The classifiers are converted in this process: the same steps, sooner."""
    with pytest.MonkeyPatch.context() as patch:
        if keras.backend.backend() == "tensorflow":
            from tests import own_calibrator

            own_calibrator.give(patch)
            for module in (classifier_trial, lstm_trial):
                patch.setattr(module, "to_tflite", _converted)
            patch.setattr(
                files,
                "convert",
                lambda model, name, data: _converted(
                    model, name, "host", data.x_train[: files.CALIBRATION]
                ),
            )
        yield


def _converted(
    model: keras.Model, quantization: str, target: str, calibration: Any
) -> Artifact:
    from keras_diffmask.export.emit import tensorflow_side
    from keras_diffmask.export.emit.repair import repair

    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    prepared = tensorflow_side.prepare_model(copy, [calibration])
    written = tensorflow_side.convert(
        prepared, quantization, [calibration], targets.get(target)
    )
    return Artifact.from_content(
        repair(written.content, written.fused), model.name, target
    )
