"""How long a language model takes on this computer, dense against stripped."""

from typing import Any

import keras
import numpy as np

from keras_diffmask.export.benchmarking.interleave import (
    interleaved,
    runs_per_round,
    warm_up,
)
from keras_diffmask.export.benchmarking.records import Ratio
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.evidence.language import models as language_models
from keras_diffmask.export.evidence.language.models import Widths
from keras_diffmask.export.runs import Figures

BATCHES = (1, 20)
ROUNDS, SECONDS, WARM_UP = 20, 4.0, 5
DEVICE = "cpu:0"


class Reader:
    """A model of these widths that reads one batch of random words.

    Stock Keras layers in float32, as `strip` leaves them, run by Keras'
    compiled `predict_on_batch`. What the weights are does not change the work.

    Args:
        widths: how wide the model is.
        batch_size: rows of the batch.
        steps: words of a row.
    """

    def __init__(self, widths: Widths, batch_size: int, steps: int) -> None:
        # On the processor also where training had a GPU.
        with keras.device(DEVICE):
            self._model = language_models.build(widths, batch_size, steps)
        words = np.random.default_rng(0).integers(
            0, widths.vocabulary, (batch_size, steps)
        )
        self._words = words.astype(np.int32)

    def prepare(self) -> None:
        """Nothing: it starts at the start of a text every time."""

    def run(self) -> Any:
        """Reads the batch."""
        with keras.device(DEVICE):
            return self._model.predict_on_batch(self._words)


def measure(
    widths: dict[str, Widths], steps: int, quick: bool, reporter: Reporter
) -> Figures:
    """Times models in turns, at a batch of one row and at one of twenty.

    Args:
        widths: `"dense"` and `"gated"` -> the widths to compare.
        steps: words of a row.
        quick: a few rounds only.
        reporter: shows the progress.

    Returns:
        Per batch size milliseconds per batch of each model, and the ratio
        dense over gated, with its spread over the rounds.
    """
    rounds = 3 if quick else ROUNDS
    found: Figures = {"engine": engine(), "steps": steps}
    for batch_size in BATCHES:
        readers = {
            name: Reader(width, batch_size, steps) for name, width in widths.items()
        }
        seconds = 0.1 if quick else SECONDS
        runs = {
            name: runs_per_round(warm_up(reader, WARM_UP), rounds, seconds)
            for name, reader in readers.items()
        }
        label = f"timing dense and stripped, batch {batch_size}"
        with reporter.phase(label, rounds) as advance:
            times = interleaved(
                readers,
                rounds,
                runs,
                progress=lambda done, total: advance(f"round {done}"),
            )
        medians = {
            name: tuple(float(np.median(block)) / 1e6 for block in blocks)
            for name, blocks in times.items()
        }
        ratio = Ratio.of("dense", "gated", medians["dense"], medians["gated"])
        found[str(batch_size)] = {
            "milliseconds": {n: float(np.median(m)) for n, m in medians.items()},
            "speed_up": ratio.median,
            "low": ratio.p5,
            "high": ratio.p95,
            "rounds": rounds,
        }
    return found


def engine() -> str:
    """What runs the models."""
    return f"Keras predict_on_batch, {keras.backend.backend()}, float32, CPU"
