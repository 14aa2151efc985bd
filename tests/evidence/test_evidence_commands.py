"""The evidence commands end to end, quickly, on tiny data in the real layouts."""

import json
from pathlib import Path
from typing import Any

import pytest

from keras_diffmask.errors import ArtifactError, InvalidArgumentError
from keras_diffmask.export.cli import main
from keras_diffmask.export.evidence.classifier import run as classifier_run
from keras_diffmask.export.evidence.classifier import table as classifier_table
from keras_diffmask.export.evidence.language import corpus
from keras_diffmask.export.evidence.language import run as language_run
from keras_diffmask.export.evidence.report import Sample
from keras_diffmask.export.evidence.settings import Settings


def _forbidden(*_: Any, **__: Any) -> Any:
    raise AssertionError("it trained again")


@pytest.fixture(scope="module")
def har(
    tmp_path_factory: pytest.TempPathFactory, motion: Path, converts_here: None
) -> Any:
    """(folder, report, words) of a quick run."""
    folder = tmp_path_factory.mktemp("har") / "results"
    words = ["evidence", "har", "--quick", "--epochs", "1", "--json"]
    words += ["--data-dir", str(motion), "--out", str(folder)]
    assert main(words) == 0
    return folder, json.loads((folder / "har.json").read_text()), words


def test_har_compares_two_int8_files_of_the_same_training(har: Any) -> None:
    folder, report, _ = har
    dense, pruned = (report["figures"]["trials"][n][0] for n in ("dense", "pruned"))
    assert pruned["macs"] <= 0.15 * dense["macs"]
    assert pruned["int8_bytes"] < 0.5 * dense["int8_bytes"]
    for figures in (dense, pruned):
        assert figures["ops"].count("UNIDIRECTIONAL_SEQUENCE_LSTM") == 2
        assert 0.0 <= figures["test"]["int8"] <= 1.0
        if figures["arena_bytes"] is not None:
            assert 2000 < figures["arena_bytes"] < 60_000
    assert [row[0] for row in report["tables"][0]["rows"]] == [
        "dense float", "dense int8", "pruned float", "pruned int8",
    ]  # fmt: skip
    assert "UCI HAR, rebuilt windows" in report["title"][0]
    assert (folder / "har.png").read_bytes().startswith(b"\x89PNG")


def test_json_names_seeds_versions_and_no_folder(har: Any, motion: Path) -> None:
    folder, report, _ = har
    assert report["figures"]["seeds"] == [0]
    assert report["machine"]["libraries"]["keras"] and report["seconds"] > 0
    for path in (folder / "har.json", *(folder / "runs").iterdir()):
        text = path.read_text()
        assert str(motion) not in text and str(folder) not in text


def test_a_second_call_trains_nothing(har: Any, monkeypatch: Any) -> None:
    folder, report, words = har
    monkeypatch.setattr(classifier_run, "run_trial", _forbidden)
    assert main(words) == 0
    assert json.loads((folder / "har.json").read_text()) == report


@pytest.fixture(scope="module")
def ptb(tmp_path_factory: pytest.TempPathFactory, texts: Path) -> Any:
    """(folder, report) of a quick run."""
    folder = tmp_path_factory.mktemp("ptb") / "results"
    settings = Settings(data_dir=str(texts), out=str(folder), quick=True)
    words = ["evidence", "ptb", "--quick", "--data-dir", settings.data_dir or ""]
    assert main([*words, "--out", settings.out, "--json"]) == 0
    return folder, json.loads((folder / "ptb-small.json").read_text()), settings


def test_ptb_strips_and_stands_beside_the_published_rows(ptb: Any) -> None:
    folder, report, _ = ptb
    (pair,) = report["figures"]["pairs"]
    kept = pair["gated"]["kept"]
    widths = [pair["gated"]["embedding"], *pair["gated"]["hidden"]]
    assert widths == [count for count, _ in kept.values()]
    assert sum(widths) < 36 and pair["dense"]["hidden"] == [12, 12]
    for figures in (pair["dense"], pair["gated"]):
        # Nine words: a model that learnt anything beats guessing.
        assert 1.0 < figures["test"] < 9.0
        assert len(figures["validation_by_epoch"]) == 2
    assert pair["latency"]["1"]["speed_up"] > 0
    names = [row[0] for row in report["tables"][0]["rows"]]
    assert names[:2] == ["dense, 2 x 12", "gated, stripped"]
    assert "published: ISS" in names
    weights = {path.name for path in folder.glob("*.weights.h5")}
    assert weights == {"ptb-small-dense-0.weights.h5", "ptb-small-gated-0.weights.h5"}


def test_ptb_goes_on_with_what_is_there(ptb: Any, monkeypatch: Any) -> None:
    folder, report, settings = ptb
    monkeypatch.setattr(language_run, "run_trial", _forbidden)
    from keras_diffmask.export.demo.reporter import Silent

    again = language_run.ptb(settings, Silent())
    assert json.loads(json.dumps(again.to_dict())) == report
    assert "A quick run" in str(again)


def _figures(score: float, size: int) -> dict[str, Any]:
    return {
        "test": {"float": score, "int8": score - 0.002},
        "parameters": size,
        "macs": 10 * size,
        "int8_bytes": size,
        "arena_bytes": None,
    }


def test_notes_pair_the_seeds_and_say_what_is_missing() -> None:
    trials = {
        "dense": [_figures(0.90, 1000), _figures(0.80, 1000)],
        "pruned": [_figures(0.89, 290), _figures(0.802, 310)],
    }
    lines = classifier_table.notes(trials)
    # -1.2 and 0.0: the seeds themselves are ten points apart.
    assert "-0.60 ± 0.85 (-1.20..+0.00) points; aim: at least -1, reached" in lines[0]
    assert "0.300 ± 0.014 (0.290..0.310)" in lines[2] and "not reached" in lines[2]
    assert "not measured" in lines[3]


def test_sample_of_one_has_no_spread() -> None:
    assert Sample((0.5,)).written(".1f", 100) == "50.0"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"seeds": 0}, "seeds to be at least 1"),
        ({"epochs": 0}, "epochs to be at least"),
    ],
)
def test_settings_out_of_range(arguments: dict[str, int], sentence: str) -> None:
    with pytest.raises(InvalidArgumentError, match=sentence):
        Settings(**arguments)  # type: ignore[arg-type]


def test_size_belongs_to_ptb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evidence", "har", "--size", "large"]) == 2
    assert "Expected --size for ptb only" in capsys.readouterr().err


def test_corpus_without_its_files_or_with_foreign_words(
    tmp_path: Path, texts: Path
) -> None:
    with pytest.raises(InvalidArgumentError, match=r"ptb\.train\.txt.*no folder"):
        corpus.load(None)
    for part in corpus.PARTS:
        text = "one two" if part != "test" else "three"
        (tmp_path / f"ptb.{part}.txt").write_text(text)
    with pytest.raises(ArtifactError, match="the word 'three'"):
        corpus.load(tmp_path)
    small = corpus.load(texts, words=3)
    # "the", "cat" and "<eos>" are the most frequent; "<unk>" is for the rest.
    assert small.vocabulary == 4 and small.train.max() == 3
