"""A peer's training that was stopped goes on as if it had not been."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_diffmask.export.demo.recipes import Recipe
from keras_diffmask.export.evidence.families import RESNET8
from keras_diffmask.export.evidence.peers import job, training
from keras_diffmask.export.evidence.peers.peer import BN_SCALE, GROUP_NORM, Peer
from tests.evidence.peers.examples import data, whole

pytest.importorskip("torch")
pytest.importorskip("torch_pruning")

RECIPE = Recipe(4, 16, 1e-3)


def _laid_out(folder: Path, peer: Peer) -> Path:
    folder.mkdir()
    # Larger steps of pruning than usual, which take most of the time here.
    peer = dataclasses.replace(peer, settings={**peer.settings, "iterative_steps": 20})
    training._write(folder, peer, RESNET8, whole(), 0.3, data(), RECIPE, 0)
    return folder


@pytest.mark.parametrize(
    ("peer", "stop"),
    [(GROUP_NORM, 1), (GROUP_NORM, 2), (BN_SCALE, 3)],
    ids=["searching", "at half", "pruned"],
)
def test_resumed_after_any_epoch(
    peer: Peer, stop: int, tmp_path: Path, monkeypatch: Any
) -> None:
    from keras_diffmask.export.evidence.peers import torch_pruning_worker as worker

    at_once = _laid_out(tmp_path / "at once", peer)
    worker.train(at_once)
    stopped = _laid_out(tmp_path / "stopped", peer)
    epoch_of = worker._epoch

    def interrupted(*given: Any) -> Any:
        if given[-1] == stop:
            raise KeyboardInterrupt
        return epoch_of(*given)

    with monkeypatch.context() as patch:
        patch.setattr(worker, "_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            worker.train(stopped)
    assert len(job.Diary(stopped).entries()) == stop
    worker.train(stopped)
    assert len(job.Diary(stopped).entries()) == RECIPE.epochs
    answers = [job.read_answer(folder)[0] for folder in (at_once, stopped)]
    for ours, theirs in zip(*answers, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
