"""Ours beside other libraries: the table, what it says, and the command end to end."""

import json
from typing import Any

import pytest

from keras_diffmask.export.cli import main
from keras_diffmask.export.demo.reporter import Silent
from keras_diffmask.export.evidence.families import RESNET8, TWO_LSTM
from keras_diffmask.export.evidence.peers.interpreter import missing
from keras_diffmask.export.evidence.peers.peer import BN_SCALE, GROUP_NORM, PEERS, TFMOT
from keras_diffmask.export.evidence.pruning import trainings
from keras_diffmask.export.evidence.report import Sample
from keras_diffmask.export.evidence.settings import Settings
from keras_diffmask.export.evidence.side_by_side import run as peers_run
from keras_diffmask.export.evidence.side_by_side import table as peers_table


def _figures(test: float, share: float = 0.3) -> dict[str, Any]:
    times = {"ratio": 0.3 + share, "p5": 0.25 + share, "p95": 0.4 + share}
    files = {
        "float32": {"test": test, "bytes": 1e6 * share},
        "int8": {"test": test - 0.01, "bytes": 3e5 * share},
    }
    return {
        "test": test, "validation": test, "macs_share": share, "parameters": 1000,
        "epoch_seconds": 3.0,
        "files": files, "latency": {"float32": times, "int8": times},
        "kernel_weights": 1000, "kernel_weights_left": 300,
    }  # fmt: skip


def _trials(**tests: tuple[float, ...]) -> peers_table.Trials:
    values = {
        "dense": (0.90, 0.91), "ours": (0.88, 0.89),
        "ours, the lowest charged": (0.88, 0.88),
        "ours, hard concrete": (0.87, 0.87), "narrowed": (0.86, 0.88),
        "L1 norm": (0.88, 0.885), TFMOT.name: (0.90, 0.90),
        GROUP_NORM.name: (0.89, 0.87), BN_SCALE.name: (0.88, 0.89), **tests,
    }  # fmt: skip
    return {
        method: [
            _figures(test, 1.0 if method in ("dense", TFMOT.name) else 0.3)
            for test in given
        ]
        for method, given in values.items()
    }


def test_tables_have_a_row_per_network() -> None:
    trials = _trials()
    trials["ours"][1]["epoch_seconds"] = 300.0
    trained, files = peers_table.tables(trials)
    assert [row[0] for row in trained.rows] == list(peers_table.METHODS)
    assert [row[0] for row in files.rows] == list(peers_table.METHODS)
    ours, tfmot = trained.rows[1], trained.rows[6]
    assert ours[1].startswith("88.50 ± 0.71 (88.00..89.00)")
    assert ours[2].startswith("-2.00 ± 0.00") and ours[3].startswith("30.00")
    assert ours[5] == "3.0", "of the seed with least of other work beside it"
    assert tfmot[3].startswith("100.00")
    assert files.rows[1][1:3] == ("300,000", "90,000")
    assert files.rows[1][3].startswith("87.50")
    assert files.rows[1][4:] == ("0.60 (0.55..0.70)",) * 2
    assert trained.rows[0][2] == "", "no points of the dense one to itself"


def test_notes_say_of_each_peer_who_is_ahead() -> None:
    notes = peers_table.notes(_trials(), {}, RESNET8)
    which, narrowed, l1, tfmot, group, bn, zeros = notes
    assert which == 'The validation part prefers "ours".'
    assert "It to narrowed: +1.50 ± 0.71 (+1.00..+2.00) points, ahead, outside" in (
        narrowed
    )
    assert "as int8 files +1.50" in narrowed
    assert "ahead, within the spread" in l1
    assert "behind, outside the spread" in tfmot
    assert "ahead, within the spread" in group and group.startswith(
        "It to Torch-Pruning group norm: +0.50"
    )
    assert "level" in bn
    assert zeros.startswith("tfmot magnitude: 70.0% of the weights in kernels are 0")
    assert "100% of the MACs, 100% of the dense int8 file" in zeros


def test_ours_is_the_one_that_the_validation_part_prefers() -> None:
    trials = _trials(**{"ours, hard concrete": (0.89, 0.90)})
    # Only that part counts: the test part would say otherwise.
    for one in trials["ours, hard concrete"]:
        one["test"] = 0.5
    assert peers_table.best(trials) == "ours, hard concrete"
    summary = peers_table.summary(trials)
    assert summary["ours"] == "ours, hard concrete"
    assert summary["points"]["narrowed"]["float"][0] == pytest.approx(-36.0)


def test_one_seed_has_no_spread() -> None:
    assert peers_table.verdict(Sample((0.5,))) == "ahead (one seed has no spread)"


def test_absent_peer_is_named() -> None:
    trials = _trials()
    del trials[TFMOT.name]
    assert len(peers_table.tables(trials)[0].rows) == 8
    *_, last = peers_table.notes(trials, {TFMOT.name: ["tf_keras"]}, RESNET8)
    assert last == "'tfmot magnitude' is not in the table: tf_keras not installed."


def test_a_peer_that_cannot_prune_the_network_is_named() -> None:
    trials = _trials()
    for peer in (GROUP_NORM, BN_SCALE):
        del trials[peer.name]
    *_, group, scale = peers_table.notes(trials, {}, TWO_LSTM)
    assert group == (
        "'Torch-Pruning group norm' is not in the table: it cannot prune 2 LSTM of 64."
    )
    assert scale.startswith("'Torch-Pruning BN scale' is not")


def test_keys_say_what_a_training_depends_on() -> None:
    """Defaults of this library may change; what is set of a peer may as well."""
    one = object.__new__(trainings.Trainings)
    assert one._method("L1 norm", 0.3) == {"method": "L1 norm", "share": 0.3}
    assert one._method("ours", 0.3)["settings"] == {
        "estimator": "differentiable_mask", "search": 0.5, "ramp": 0.7, "warmup": 0.0,
    }  # fmt: skip
    assert one._method(BN_SCALE.name, 0.3)["settings"] == BN_SCALE.settings


@pytest.fixture(scope="module")
def network(request: pytest.FixtureRequest) -> None:
    """A small one; a ResNet-8 where a peer is installed, which builds it by name."""
    if all(missing(peer) for peer in PEERS.values()):
        request.getfixturevalue("small_family")


@pytest.fixture(scope="module")
def quick(
    tmp_path_factory: pytest.TempPathFactory,
    network: None,
    converts_here: None,
    trains_eagerly: None,
) -> Any:
    """(folder, report, words) of a quick run with the peers that are installed."""
    folder = tmp_path_factory.mktemp("peers") / "results"
    words = ["evidence", "peers", "--quick", "--json", "--out", str(folder)]
    assert main(words) == 0
    return folder, json.loads((folder / "peers.json").read_text()), words


@pytest.mark.slow
def test_quick_run_from_data_to_table(quick: Any) -> None:
    folder, report, _ = quick
    absent = peers_run._absent(PEERS, is_quick=True)
    expected = [method for method in peers_table.METHODS if method not in absent]
    for table in report["tables"]:
        assert [row[0] for row in table["rows"]] == expected
    said = [note for note in report["notes"] if "not in the table" in note]
    assert len(said) == len(absent) and report["figures"]["absent"] == absent
    for name, (figures,) in report["figures"]["trials"].items():
        limit = 1.0 if name in ("dense", TFMOT.name) else 0.3
        assert 0.2 < figures["macs_share"] <= limit
        for file in ("float32", "int8"):
            assert figures["files"][file]["bytes"] > 1000
            assert figures["latency"][file]["ratio"] > 0
    dense = report["figures"]["trials"]["dense"][0]
    assert dense["latency"]["int8"]["ratio"] == 1
    assert (folder / "peers.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_second_run_does_nothing(quick: Any, monkeypatch: Any) -> None:
    folder, report, words = quick
    for name in ("begin", "finish", "measure_latency"):
        monkeypatch.setattr(trainings, name, None)
    monkeypatch.setattr(trainings.files, "convert", None)
    assert main(words) == 0
    assert json.loads((folder / "peers.json").read_text()) == report


@pytest.mark.slow
def test_file_of_a_network_is_kept_beside_its_figures(
    quick: Any, monkeypatch: Any
) -> None:
    folder, report, _ = quick
    monkeypatch.setattr(trainings.files, "convert", None)
    settings = Settings(out=str(folder), quick=True)
    ours = trainings.Trainings(settings, 0, 1, Silent())
    file = ours.artifact("ours", 0.3, "int8")
    figures = report["figures"]["trials"]["ours"][0]["files"]["int8"]
    assert file.nbytes == figures["bytes"]


def test_names_under_the_picture_are_short_lines() -> None:
    names = list(peers_table.columns(_trials()))
    assert "ours, the\nlowest\ncharged" in names and "L1 norm" in names
    assert max(len(line) for name in names for line in name.split("\n")) <= 13


def test_every_peer_is_in_the_table() -> None:
    assert set(PEERS) <= set(peers_table.METHODS)
