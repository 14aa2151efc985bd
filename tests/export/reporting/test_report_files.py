"""`export.report`: files of three kinds, whole or not at all, read back or refused."""

import dataclasses
import json
import re

import pytest

from keras_diffmask import export
from keras_diffmask.errors import ArtifactError, InvalidArgumentError
from keras_diffmask.export.reporting import Report
from keras_diffmask.export.reporting.records import Quotient
from tests.export.reporting.samples import full, hostile, timing


def test_what_the_design_says(pair, timed, tmp_path):
    path = tmp_path / "report.html"
    made = export.report(pair, benchmark=timed, path=path, arena=False)
    page = path.read_text("utf-8")
    assert page == made.to_html() and page.startswith("<!doctype html>")
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]
    ratio = timed.ratio("pruned", "dense")
    share = pair[1].nbytes / pair[0].nbytes
    assert f"{ratio.median:.2f}× the time and {share:.2f}× the bytes" in page
    assert timed.machine.cpu in page and pair[0].ops[0] in page
    assert "http://" not in page and "https://" not in page and "<script" not in page


def test_every_part_is_there(masked, saved, timed, tmp_path):
    timed.save(tmp_path / "b.json")
    made = export.report(
        [saved / "dense.tflite", saved / "pruned.tflite"],
        benchmark=tmp_path / "b.json",
        path=tmp_path / "report.html",
        plan=export.plan(masked),
        accuracy={"dense": 0.9, "pruned": [0.88, 0.9]},
        target="cortex-m",
        title="Mine",
        arena=False,
        commands=["make it"],
    )
    page = made.to_html()
    for part in (
        "Mine",
        "latency",
        "operations",
        "size",
        "accuracy",
        "kept",
        "targets",
    ):
        assert part in page
    assert "−1.00 points" in page and "make it" in page
    # The folder of `saved` has a space in its name.
    assert "&#x27;" in page and str(saved) in page
    assert [fit.target for fit in made.models[0].fits] == ["cortex-m"]


def test_what_was_not_measured_is_absent(pair):
    page = export.report(pair, arena=False).to_html()
    for part in ('id="latency"', 'id="operations"', 'id="accuracy"', 'id="kept"'):
        assert part not in page
    assert "the time" not in page.split("</header>")[0] and "Accuracy" not in page
    alone = export.report(pair[:1], arena=False)
    assert alone.headline == [f"dense: {pair[0].nbytes:,} bytes."]
    assert 'class="tile"' not in alone.to_html()


def quotient(p5: float, p95: float) -> Report:
    made = full()
    base = timing(("dense", "pruned"), "cpu", 80.0, 1)
    ratios = (Quotient("pruned", "dense", (p5 + p95) / 2, p5, p95, 40),)
    return dataclasses.replace(
        made, timings=(dataclasses.replace(base, ratios=ratios),)
    )


def test_a_spread_around_one_is_no_difference():
    made = quotient(0.93, 1.06)
    assert made.headline == [
        "pruned: no difference in time and 0.40× the bytes of dense, on cpu."
    ]
    for text in (made.to_html(), made.to_markdown()):
        assert "no difference" in text and "0.930 to 1.060" in text
    assert quotient(0.93, 0.99).headline[0].startswith("pruned: 0.96× the time")
    assert quotient(1.01, 1.2).headline[0].startswith("pruned: 1.10× the time")


def test_dots_are_the_rounds_of_the_ratio():
    """On a busy computer the medians of the rounds say something else."""
    made = full()
    dense, pruned = (
        dataclasses.replace(one, rounds=slow, fastest=fast)
        for one, slow, fast in zip(
            made.timings[0].models,
            ((1900.0, 1910.0), (1700.0, 1720.0)),
            ((1000.0, 1010.0), (540.0, 545.4)),
            strict=True,
        )
    )
    ratio = Quotient("pruned", "dense", 0.54, 0.54, 0.54, 2)
    first = dataclasses.replace(
        made.timings[0], models=(dense, pruned), ratios=(ratio,)
    )
    page = dataclasses.replace(made, timings=(first,)).to_html()
    strip = page[page.index("Time over dense") :]
    strip = strip[: strip.index("</figure>")]
    dots = [float(place) for place in re.findall(r'<circle cx="([\d.]+)%"', strip)]
    assert dots == pytest.approx([100 * 0.54 / 1.12] * 2, rel=1e-3)
    assert "by the fastest inference of each round" in strip
    assert "one round's fastest inference over the" in page.replace("&#x27;", "'")
    both = dataclasses.replace(made, timings=(first, made.timings[1])).to_html()
    assert "its fastest inference where a benchmark tells that" in both
    assert "fastest inference" not in made.to_html()


def test_a_figure_of_one_model_alone_stays_in_its_column():
    made = full()
    first, second = made.timings[0].models
    models = (
        dataclasses.replace(
            first, runs=None, peak_mb=None, delegate="GPU, 3 of 6 nodes"
        ),
        dataclasses.replace(second, runs=4321, peak_mb=8.5),
    )
    timing = dataclasses.replace(made.timings[0], models=models)
    page = dataclasses.replace(made, timings=(timing,)).to_html()
    numbers = page.split("The numbers")[1].split("</table>")[0]
    rows = [re.sub("<[^>]+>", "|", row) for row in numbers.split("<tr>")[1:]]
    cells = [[one for one in row.split("|") if one] for row in rows]
    assert cells[0][-3:] == ["runs", "peak MB", "ran on"]
    assert cells[1][-3:] == ["not said", "not said", "GPU, 3 of 6 nodes"]
    assert cells[2][-3:] == ["4,321", "8.5", "not said"]


def test_one_device_more_is_one_part_more():
    sentence = full().headline[0]
    assert sentence.startswith("pruned: 0.40× the bytes of dense; ")
    assert "the time on conv, " in sentence and "on conv phone" in sentence


@pytest.mark.parametrize("make", [full, hostile])
def test_json_reads_back(make, tmp_path):
    made = make()
    # A lone surrogate is no text of JSON's; escaped it is, and comes back.
    assert Report.from_json(made.to_json()) == made
    made.save(tmp_path / "r.json")
    document = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert document["format"] == "keras_diffmask.report/1"
    assert Report.from_json((tmp_path / "r.json").read_text("utf-8")) == made


def break_json(text: str, how: str) -> str:
    document = json.loads(text)
    if how == "format":
        document["format"] = "keras_diffmask.report/2"
    elif how == "stranger":
        document["models"][0]["colour"] = "red"
    elif how == "lacking":
        del document["models"][0]["bytes"]
    elif how == "type":
        document["models"][0]["bytes"] = "many"
    elif how == "no models":
        document["models"] = []
    else:
        return text[:-20]
    return json.dumps(document)


@pytest.mark.parametrize(
    "how", ["format", "stranger", "lacking", "type", "no models", "cut"]
)
def test_json_of_something_else_is_refused(how):
    with pytest.raises(ArtifactError, match="JSON document of a report"):
        Report.from_json(break_json(full().to_json(), how))


def test_markdown_has_the_same_figures(tmp_path):
    text = full().save(tmp_path / "r.MD").read_text("utf-8")
    for part in (
        "65,800 bytes",
        "859,024",
        "99.43 %",
        "16 of 24",
        "3 closed, and kept",
    ):
        assert part in text
    assert text.startswith("# dense and pruned\n\npruned: 0.40× the bytes of dense")


def test_an_existing_file_stays(pair, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("mine")
    with pytest.raises(ArtifactError, match=r"force=True \(in a shell, --force\)"):
        export.report(pair, path=path, arena=False)
    assert path.read_text() == "mine"
    export.report(pair, path=path, arena=False, force=True)
    assert path.read_text("utf-8").startswith("<!doctype html>")
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("report.pdf", "ends in .html, .md, .json"),
        ("report", "ends in .html, .md, .json"),
        ("no/report.html", "a file in an existing directory"),
        ("folder.html", "a file in an existing directory"),
    ],
)
def test_paths_that_cannot_be_written(tmp_path, name, part):
    (tmp_path / "folder.html").mkdir()
    # Told before the artifacts, which are none, are looked at.
    with pytest.raises(ArtifactError, match=part):
        export.report([], path=tmp_path / name, force=True)
    assert [one.name for one in tmp_path.iterdir()] == ["folder.html"]


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(ArtifactError, match="a .tflite file that can be read"):
        export.report([tmp_path / "nowhere.tflite"], path=tmp_path / "r.html")
    assert list(tmp_path.iterdir()) == []


def test_a_title_is_text(pair):
    with pytest.raises(InvalidArgumentError, match="title as text"):
        export.report(pair, title=" ", arena=False)
    assert export.report(pair * 1, arena=False).title == "dense and pruned"


def test_progress_names_every_model(pair):
    seen = []
    export.report(pair, arena=False, progress=seen.append)
    assert seen == ["dense", "pruned"]
