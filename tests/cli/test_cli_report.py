"""`keras-diffmask report`: from what the other commands wrote to one page."""

import json
import shlex

import keras
import pytest

from keras_diffmask import export
from keras_diffmask.export.reporting import Report


@pytest.fixture(scope="module")
def folder(files, tmp_path_factory):
    """Files, plan and times, as the other commands write them, in a folder whose
    name has spaces and signs of the shell in it.
    """
    from keras_diffmask.export.cli import main

    folder = tmp_path_factory.mktemp("my $(touch gone); models")
    slim = folder / "slim.keras"
    assert main(["strip", str(files / "masked.keras"), "-o", str(slim)]) == 0
    for name, source in (("dense", files / "plain.keras"), ("a=b", slim)):
        model = keras.models.load_model(source)
        export.to_tflite(model, name=name).save(folder / f"{name}.tflite")
    return folder


@pytest.fixture
def workflow(folder, files, run, tmp_path):
    """The words of a report, after `plan` and `benchmark`."""
    _, plan, _ = run("plan", files / "masked.keras", "--json")
    (tmp_path / "plan.json").write_text(plan)
    models = (folder / "dense.tflite", folder / "a=b.tflite")
    times = ("--rounds", 3, "--seconds", 0.05, "-o", tmp_path / "benchmark.json")
    assert run("benchmark", *models, "--per-op", *times)[0] == 0
    return ("report", *models, "--benchmark", tmp_path / "benchmark.json",
            "--plan", tmp_path / "plan.json")  # fmt: skip


def test_the_natural_workflow(workflow, run, run_json, folder, tmp_path):
    output = tmp_path / "report.html"
    scores = ("--accuracy", "dense=0.9", "--accuracy", "a=b=0.875")
    status, out, err = run(*workflow, *scores, "-o", output)
    assert status == 0, err
    assert "the bytes of dense" in out and f"written: {output}" in out
    page = output.read_text("utf-8")
    assert "−2.50 points" in page and "2 of 6" in page and 'id="operations"' in page
    assert not (tmp_path / "gone").exists()
    report = run_json(*workflow, *scores, "--no-arena", "-o", tmp_path / "report.json")
    assert report["output"] == str(tmp_path / "report.json")
    read = Report.from_json((tmp_path / "report.json").read_text("utf-8"))
    assert [model.name for model in read.models] == ["dense", "a=b"]
    (typed,) = read.commands
    words = shlex.split(typed)
    assert words[:3] == ["keras-diffmask", "report", str(folder / "dense.tflite")]
    assert words[-2:] == ["-o", str(tmp_path / "report.json")]
    assert words.count("--accuracy") == 2 and "a=b=0.875" in words
    assert read.models[0].path == str(folder / "dense.tflite")


def test_the_command_it_shows_does_the_same(workflow, run, tmp_path):
    output = tmp_path / "r.json"
    more = ("--target", "cortex-m", "--title", "It's <mine>", "--no-arena")
    assert run(*workflow, *more, "-o", output)[0] == 0
    first = Report.from_json(output.read_text("utf-8"))
    words = shlex.split(first.commands[0])[1:]
    assert run(*words, "--force")[0] == 0
    again = Report.from_json(output.read_text("utf-8"))
    assert (again.title, again.models, again.timings, again.kept) == (
        first.title, first.models, first.timings, first.kept,
    )  # fmt: skip


def test_curves_from_files(folder, run, tmp_path):
    history = {"macs": [0.9, 0.3], "macs_target": [0.8, 0.3], "budget_met": [0, 1]}
    (tmp_path / "history.json").write_text(json.dumps(history))
    words = ("report", folder / "dense.tflite", "--no-arena")
    words += ("--history", tmp_path / "history.json", "--steps-per-epoch", 10)
    assert run(*words, "-o", tmp_path / "r.html")[0] == 0
    page = (tmp_path / "r.html").read_text("utf-8")
    assert 'id="search"' in page and "over steps" in page


BAD = {
    "another ending": ("{dense} -o {out}/r.pdf", "ends in .html, .md, .json"),
    "no directory": ("{dense} -o {out}/no/r.html", "a file in an existing directory"),
    "an existing output": ("{dense} -o {out}/there.html", "(in a shell, --force)"),
    "the same file twice": ("{dense} {dense} -o {out}/r.html", "twice"),
    "no such file": ("{out}/no.tflite -o {out}/r.html", "a .tflite file that can be"),
    "no tflite file": ("{out}/there.html -o {out}/r.html", "'TFL3'"),
    "a benchmark that is none": (
        "{dense} --benchmark {out}/there.html -o {out}/r.html",
        "JSON document of a benchmark",
    ),
    "a plan that is none": (
        "{dense} --plan {out}/there.html -o {out}/r.html",
        "the JSON file of a plan",
    ),
    "a history that is none": (
        "{dense} --history {out}/no.json -o {out}/r.html",
        "fit(...).history",
    ),
    "a front that is none": (
        "{dense} --front {out} -o {out}/r.html",
        "the JSON file of a ParetoFront",
    ),
    "accuracy of nobody": (
        "{dense} --accuracy pruned=0.5 -o {out}/r.html",
        "--accuracy of one of the files (dense)",
    ),
    "accuracy in percent": ("{dense} --accuracy dense=91 -o {out}/r.html", "0 to 1"),
    "accuracy without a name": ("{dense} --accuracy 0.9 -o {out}/r.html", "NAME=SHARE"),
    "a target that is none": (
        "{dense} --target toaster -o {out}/r.html",
        "target to be one of",
    ),
    "the output is an input": (
        "{dense} --plan {out}/there.html -o {out}/there.html --force",
        "an output other than the input",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence(case, folder, run, tmp_path):
    words, part = BAD[case]
    (tmp_path / "there.html").write_text("mine")
    places = {"{dense}": folder / "dense.tflite", "{out}": tmp_path}
    line = []
    for word in words.split():
        for name, place in places.items():
            word = word.replace(name, str(place))
        line.append(word)
    status, out, err = run("report", *line)
    assert status in (1, 2) and out == ""
    assert part in err and "Traceback" not in err and "Unforeseen" not in err
    assert [one.name for one in tmp_path.iterdir()] == ["there.html"]
    assert (tmp_path / "there.html").read_text() == "mine"


def test_a_name_that_is_no_utf8(folder, run, tmp_path):
    odd = tmp_path / "caf\udce9.tflite"
    try:
        odd.write_bytes((folder / "dense.tflite").read_bytes())
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert run("report", odd, "--no-arena", "-o", tmp_path / "r.html")[0] == 0
    assert "caf\ufffd" in (tmp_path / "r.html").read_text("utf-8")
