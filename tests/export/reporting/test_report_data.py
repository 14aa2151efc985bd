"""What is read from files, benchmarks, plans and histories, and what is refused."""

import dataclasses
import json
import types

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export, targets
from keras_diffmask.errors import ArtifactError, InvalidArgumentError
from keras_diffmask.export.reporting.curves import front_of, search_of
from keras_diffmask.export.reporting.fits import fits_of
from keras_diffmask.export.reporting.kept import kept_of
from keras_diffmask.export.reporting.macs import macs_of
from keras_diffmask.export.reporting.models import models_of
from keras_diffmask.export.reporting.pairing import paired, tail
from keras_diffmask.export.reporting.timing import timings_of
from tests.export.reporting.samples import full, times

layers = keras.layers


def test_macs_of_the_files_are_those_of_the_plan(masked, pair):
    before, after = export.plan(masked).macs
    assert [macs_of(one.content) for one in pair] == [before, after]


def test_macs_of_every_kind_are_those_of_the_plan():
    """One model of layers beside each other, so that it is converted once."""
    kinds = [
        (layers.LSTM(5), (6, 3)),
        (layers.Conv2DTranspose(4, 3, strides=2), (5, 5, 3)),
        (layers.SeparableConv2D(6, 3), (7, 7, 2)),
        (layers.Conv1D(4, 3), (9, 3)),
        (layers.Dense(7), (4, 3)),
    ]
    inputs = [keras.Input(shape) for _, shape in kinds]
    outputs = [layer(x) for (layer, _), x in zip(kinds, inputs, strict=True)]
    a, b = keras.Input((4, 6)), keras.Input((6, 5))
    product = keras.Model([a, b], keras.ops.matmul(a, b))
    model = keras.Model([*inputs, a, b], [*outputs, product([a, b])])
    alone = keras.Model(inputs, outputs)
    found = macs_of(export.to_tflite(model).content)
    assert found == export.plan(alone).macs[0] + 4 * 5 * 6


def test_macs_are_unknown_where_an_operator_is():
    content = loop_content()
    assert macs_of(content) is None


def loop_content() -> bytes:
    tf = pytest.importorskip("tensorflow")

    @tf.function(input_signature=[tf.TensorSpec((1, 4), tf.float32)])
    def call(x):
        return tf.while_loop(lambda k, y: k < 3, lambda k, y: (k + 1, y * 2), (0, x))[1]

    module = tf.Module()
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [call.get_concrete_function()], module
    )
    return converter.convert()


def test_facts_of_a_file(pair, saved):
    facts = models_of([saved / "dense.tflite"], {"dense": [0.5, 0.7]}, arena=False)[0]
    assert facts.bytes == pair[0].nbytes and len(facts.sha256) == 64
    assert dict(facts.ops)["CONV_2D"] == 2 and facts.quantization == "int8"
    assert facts.accuracy == pytest.approx(0.6) and facts.difference is None
    assert facts.arena_bytes is None and facts.arena_note == "it was not asked for"
    assert models_of(pair, arena=False)[0].difference == (
        pair[0].agreement.relative_error
    )


def test_the_arena_is_tflms(pair):
    pytest.importorskip("tflite_micro")
    from keras_diffmask.export.arena import tflm_arena_bytes

    found = models_of(pair)
    assert [one.arena_bytes for one in found] == [
        tflm_arena_bytes(one.content) for one in pair
    ]
    assert found[1].arena_bytes < found[0].arena_bytes


def test_why_there_is_no_arena():
    pytest.importorskip("tflite_micro")
    inputs = keras.Input((64,))
    model = keras.Model(inputs, layers.Dense(64)(inputs))
    (facts,) = models_of([export.to_tflite(model, "dynamic")])
    assert facts.arena_bytes is None
    assert facts.arena_note.startswith("TFLM does not run it: ")


def test_targets():
    reasons = {f.target: f.reason for f in fits_of(["GELU"], "float32", 10, None)}
    assert reasons["host"] == "" and reasons["cortex-m"] == "no kernel for GELU"
    assert "integers alone" in reasons["ethos-u55"]
    board = dataclasses.replace(targets.CORTEX_M, name="b", flash=100, ram=50)
    for size, arena, part in ((101, 1, "of flash"), (100, 51, "of RAM"), (9, 9, "")):
        (fit,) = fits_of(["ADD"], "int8", size, arena, board)
        assert part in fit.reason and bool(part) == bool(fit.reason)
    assert fits_of(["ADD"], "mixed", 1, None, targets.ETHOS_U55)[0].reason


@pytest.mark.parametrize(
    ("artifacts", "part"),
    [
        ([], "at least one Artifact"),
        (3, "at least one Artifact"),
        ([object()], "Artifact objects or paths"),
        ({"": "a.tflite"}, "names of models as text"),
    ],
)
def test_what_is_no_artifact_is_refused(artifacts, part):
    with pytest.raises(InvalidArgumentError, match=part):
        models_of(artifacts)


def test_names_must_differ(pair):
    with pytest.raises(InvalidArgumentError, match="'dense' twice"):
        models_of([pair[0], pair[0]])
    assert [m.name for m in models_of({"a": pair[0], "b": pair[0]}, arena=False)] == [
        "a", "b",
    ]  # fmt: skip


@pytest.mark.parametrize("accuracy", [{"dense": 91}, {"dense": []}, {"dense": "x"}])
def test_accuracies_are_shares(pair, accuracy):
    with pytest.raises(InvalidArgumentError, match="Divide percentages by 100"):
        models_of(pair, accuracy, arena=False)


def test_accuracies_of_others_are_refused(pair):
    with pytest.raises(InvalidArgumentError, match=r"\(dense, pruned\).*'other'"):
        models_of(pair, {"other": 0.5}, arena=False)
    with pytest.raises(InvalidArgumentError, match="as a dict"):
        models_of(pair, [0.5], arena=False)


def test_times(pair, timed, tmp_path):
    models = models_of(pair, arena=False)
    (timing,) = timings_of(timed, models)
    assert timing.label == timed.machine.cpu and timing.threads == 1
    dense = timing.models[0]
    assert dense.median == timed["dense"].median_us and len(dense.rounds) == 6
    assert dense.compared == timed["dense"].compared_us == dense.fastest
    assert [op.op for op in dense.ops] == list(pair[0].ops)
    (ratio,) = timing.ratios
    assert ratio.median == timed.ratio("pruned", "dense").median
    timed.save(tmp_path / "b.json")
    assert timings_of([tmp_path / "b.json", timed], models) == (timing, timing)
    assert timings_of(None, models) == ()


def test_times_that_a_device_does_not_tell_stay_away(pair):
    """A phone's tool: no median, a delegate, the device's own facts, remarks."""

    @dataclasses.dataclass
    class Facts:
        model: str
        soc: str
        core_mhz: tuple[int, ...]
        sdk: int | None = None

    @dataclasses.dataclass
    class Machine:
        cpu: str = "this computer"

    def model(name, size):
        return types.SimpleNamespace(
            name=name, bytes=size, median_us=None, mean_us=500.0, runs=9, round_us=(),
            peak_mb=7.5, delegate="XNNPACK", delegated=5, nodes=6, ops=None,
        )  # fmt: skip

    def no_ratio(name, baseline):
        raise IndexError("no rounds")

    result = types.SimpleNamespace(
        models=(model("dense", pair[0].nbytes),),
        machine=Machine(),
        facts=Facts("Pixel", "Tensor", (1700, 2900)),
        device="android:1",
        threads=2,
        created="2026",
        ratio=no_ratio,
        remarks=("it throttled",),
        unfinished="it was lost",
        commands=("adb shell",),
    )
    (timing,) = timings_of(result, models_of(pair, arena=False))
    assert timing.label == "Pixel" and timing.ratios == ()
    assert timing.remarks == ("it was lost", "it throttled")
    assert ("core mhz", "1700, 2900") in timing.facts
    assert ("driven by cpu", "this computer") in timing.facts
    (one,) = timing.models
    assert (one.typical, one.typical_is, one.p5) == (500.0, "mean", None)
    assert one.delegate == "XNNPACK, 5 of 6 nodes" and one.peak_mb == 7.5


def test_a_benchmark_of_other_files_is_refused(pair, timed):
    models = models_of(pair, arena=False)
    others = models_of({"x": pair[0], "y": pair[1]}, arena=False)
    with pytest.raises(InvalidArgumentError, match=r"\(x, y\).*one of dense, pruned"):
        timings_of(timed, others)
    changed = (dataclasses.replace(models[0], bytes=models[0].bytes + 4), models[1])
    with pytest.raises(InvalidArgumentError, match="the file has changed since"):
        timings_of(timed, changed)
    for wrong in (3, {"a": 1}, [None]):
        with pytest.raises(InvalidArgumentError, match="export.benchmark returned"):
            timings_of(wrong, models)


@pytest.mark.parametrize("text", [None, "{}", "no json", "\udcff"])
def test_a_benchmark_that_cannot_be_read(pair, tmp_path, text):
    file = tmp_path / "b.json"
    if text is not None:
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ArtifactError, match="keras-diffmask benchmark"):
        timings_of(file, models_of(pair[:1], arena=False))


def test_a_plan_is_read_from_all_its_forms(masked, tmp_path):
    plan = export.plan(masked)
    (direct,) = kept_of(plan)
    assert direct.macs == plan.macs and direct.label == plan.model
    assert [(row.kept, row.total) for row in direct.rows] == [
        (row.kept, row.total) for row in plan.rows
    ]
    assert any("output of the model" in r for row in direct.rows for r in row.reasons)
    (tmp_path / "plan.json").write_text(json.dumps(plan.to_dict()))
    assert kept_of(tmp_path / "plan.json") == kept_of([plan]) == (direct,)
    assert kept_of({"mine": plan})[0].label == "mine"
    (summary,) = kept_of(kd.summary(masked, verbose=False))
    assert summary.macs == plan.macs
    assert {row.name: row.kept for row in summary.rows}["stem"] == 4
    assert kept_of(None) == ()


@pytest.mark.parametrize("plan", [3, {"rows": [1]}, {"rows": 3}, {"layers": [{}]}])
def test_what_is_no_plan_is_refused(plan):
    with pytest.raises(InvalidArgumentError, match="plan as what export.plan"):
        kept_of(plan)


def test_a_plan_that_contradicts_itself_is_refused(masked):
    data = export.plan(masked).to_dict()
    data["rows"][0]["kept"] = data["rows"][0]["total"] + 1
    with pytest.raises(InvalidArgumentError, match="plan as what export.plan"):
        kept_of(data)


def test_a_plan_that_cannot_be_read(tmp_path):
    (tmp_path / "p.json").write_text("{")
    for path in (tmp_path / "p.json", tmp_path / "none.json"):
        with pytest.raises(ArtifactError, match="keras-diffmask plan"):
            kept_of(path)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One epoch or two under a budget, with a front."""
    inputs = keras.Input((6,))
    x = layers.Dense(16, "relu", name="hidden")(inputs)
    model = kd.mask_model(
        keras.Model(inputs, layers.Dense(3)(x)), budget=kd.Budget(macs=0.5)
    )
    model.compile("adam", "mse")
    data = np.ones((32, 6), "float32"), np.ones((32, 3), "float32")
    folder = tmp_path_factory.mktemp("run") / "front"
    budgets = [kd.Budget(macs=m) for m in (0.8, 0.5)]
    front = kd.callbacks.ParetoFront(folder, budgets, data, monitor="loss")
    fitted = model.fit(*data, epochs=3, verbose=0, batch_size=8, callbacks=[front])
    return types.SimpleNamespace(front=front, fitted=fitted, folder=folder)


def test_a_front_is_read_from_all_its_forms(run):
    found = front_of(run.front)
    assert found.cost == "macs" and found.metric == "loss"
    assert [point.budget for point in found.points] == ["macs=0.5", "macs=0.8"]
    assert all(p.cost <= 0.8 for p in found.points)
    assert front_of(run.folder) == front_of(run.folder / "front.json") == found
    assert front_of(run.front.front()).points == found.points
    assert front_of(None) is None


@pytest.mark.parametrize("front", [3, [], [{"budget": "macs=1"}]])
def test_what_is_no_front_is_refused(front):
    with pytest.raises(InvalidArgumentError, match="front as a ParetoFront"):
        front_of(front)


def test_points_of_a_front_without_a_score_are_left_out():
    """A training that diverged for one budget spoils neither drawing nor JSON."""
    rows = [
        {"budget": f"macs={cost}", "costs": {"macs": cost}, "score": score}
        for cost, score in ((0.5, float("nan")), (0.3, 0.8), (0.2, float("inf")))
    ]
    front = front_of(rows)
    assert [point.score for point in front.points] == [0.8] and front.left_out == 2
    report = dataclasses.replace(full(), front=front)
    json.loads(report.to_json())
    for text in (report.to_html(), report.to_markdown()):
        assert "2 more budgets are not here" in text and "nan" not in text.split()
    assert 'cy="nan' not in report.to_html()
    with pytest.raises(InvalidArgumentError, match="finite score; received 1 without"):
        front_of(rows[:1])


def test_a_history_is_read_from_all_its_forms(run, tmp_path):
    found = search_of(run.fitted)
    assert [cost.name for cost in found.costs] == ["macs"]
    assert len(found.costs[0].values) == 3 and found.steps_per_epoch == 4
    assert found.met[-1] is True
    assert search_of(run.fitted.history).steps_per_epoch is None
    (tmp_path / "h.json").write_text(json.dumps(run.fitted.history))
    assert search_of(tmp_path / "h.json", 4) == found
    assert search_of(None) is None


@pytest.mark.parametrize(
    "history",
    [3, {}, {"loss": [1.0]}, {"macs": [1.0], "macs_target": []},
     {"macs": [float("nan")], "macs_target": [1.0]}],
)  # fmt: skip
def test_what_is_no_search_is_refused(history):
    with pytest.raises(InvalidArgumentError, match="a model with a budget"):
        search_of(history)


def test_operations_of_a_removed_branch_are_gone():
    dense, pruned = times("dense", 80.0, 1), times("pruned", 30.0, 2)
    kept = [pruned.ops[k] for k in (0, 1, 2, 4, 5)]
    rows = paired([dense, dataclasses.replace(pruned, ops=tuple(kept))])
    assert len(rows) == 6
    assert [row.present for row in rows].count((True, False)) == 1
    assert [row.us[1] for row in rows if row.present[1]] == [op.us for op in kept]


def test_operations_that_only_the_second_has_are_there():
    dense, pruned = times("dense", 80.0, 1, ops=3), times("pruned", 30.0, 2, ops=5)
    rows = paired([dense, pruned])
    assert len(rows) == 5 and rows[-1].present == (False, True)


def test_the_tail_of_a_name():
    assert tail("a/b;net/conv/relu") == "net/conv/relu"
    assert tail("network/" * 5 + "conv/relu") == "network/network/network/conv/relu"
    assert len(tail("x" * 99)) == 36
