"""Statistics against numpy, ratios, the JSON form and the table."""

import dataclasses
import json

import numpy as np
import pytest

from keras_diffmask.errors import ArtifactError, InvalidArgumentError
from keras_diffmask.export.benchmarking import (
    BenchmarkResult,
    Machine,
    ModelTimes,
    OpTable,
    OpTime,
)
from keras_diffmask.export.machine import machine


def made_up(seed, rounds=7, runs=11, scale=1):
    generator = np.random.default_rng(seed)
    return (generator.integers(1000, 9000, (rounds, runs)) * scale).tolist()


@pytest.fixture
def result():
    ops = OpTable(
        ops=(
            OpTime(0, "CONV_2D", "a;" + "b" * 60, 30.0, 0.75),
            OpTime(1, "MEAN", "c", 10.0, 0.25),
            OpTime(2, "READ_VARIABLE", "d", None, None),
        ),
        sum_us=40.0,
        whole_us=38.0,
    )
    dense = ModelTimes.from_times("dense", 5000, 12.5, made_up(0, scale=3))
    small = ModelTimes.from_times("small", 900, 8.0, made_up(1))
    where = Machine("a cpu", 2, "a system", "3.11", {"numpy": "2.0"})
    models = (dataclasses.replace(dense, ops=ops), small)
    return BenchmarkResult(models, where, "host", 1, "2026-01-01T00:00:00+00:00")


def test_statistics_agree_with_numpy():
    times = made_up(3)
    model = ModelTimes.from_times("m", 10, 1.0, times)
    every = np.array(times).ravel() / 1000
    assert model.runs == every.size
    assert model.median_us == pytest.approx(np.median(every))
    assert model.p5_us == pytest.approx(np.percentile(every, 5))
    assert model.p95_us == pytest.approx(np.percentile(every, 95))
    assert model.min_us == every.min()
    assert model.mean_us == pytest.approx(every.mean())
    assert model.round_us == pytest.approx(np.median(times, axis=1) / 1000)


def test_ratio_is_the_median_over_rounds_of_the_ratio_within(result):
    per_round = np.min(made_up(1), axis=1) / np.min(made_up(0, scale=3), axis=1)
    ratio = result.ratio("small", "dense")
    assert ratio.median == pytest.approx(np.median(per_round))
    assert ratio.p5 == pytest.approx(np.percentile(per_round, 5))
    assert ratio.p95 == pytest.approx(np.percentile(per_round, 95))
    assert ratio.rounds == 7
    assert str(result.ratio("dense", "dense")) == "1.000 (1.000..1.000)"


def test_interruptions_do_not_move_the_ratio():
    """Most inferences of the slower model are interrupted, few of the other's."""
    slow, fast = [[4000, 9000, 9000]] * 5, [[1000, 1000, 9000]] * 5
    pair = [ModelTimes.from_times("a", 1, 1.0, slow)]
    pair.append(ModelTimes.from_times("b", 1, 1.0, fast))
    result = BenchmarkResult(tuple(pair), machine(), "host", 1, "now")
    assert result["a"].round_us == (9.0,) * 5
    assert result.ratio("b", "a").median == 0.25


def test_a_document_of_before_devices(result):
    """Without the newer fields; its ratios are those of the medians."""
    document = json.loads(result.to_json())
    for name in ("facts", "tool", "conditions", "commands", "remarks", "unfinished"):
        del document[name]
    for model in document["models"]:
        for name in ("std_us", "first_us", "peak_mb", "delegate", "round_min_us"):
            del model[name]
    older = BenchmarkResult.from_json(json.dumps(document))
    assert older["dense"].std_us is None and older.facts is None
    median = np.median(np.divide(older["small"].round_us, older["dense"].round_us))
    assert older.ratio("small", "dense").median == pytest.approx(median)


def test_a_slow_round_does_not_move_the_ratio():
    weather = np.array([1, 1, 9, 1, 4])[:, None]
    ones = np.ones((5, 3), int)
    pair = [
        ModelTimes.from_times(name, 1, 1.0, (ones * weather * cost).tolist())
        for name, cost in (("a", 2000), ("b", 1000))
    ]
    result = BenchmarkResult(tuple(pair), machine(), "host", 1, "now")
    ratio = result.ratio("a", "b")
    assert (ratio.p5, ratio.median, ratio.p95) == (2.0, 2.0, 2.0)


def test_json_comes_back_equal(result, tmp_path):
    assert BenchmarkResult.from_json(result.to_json()) == result
    path = result.save(tmp_path / "b.json")
    assert BenchmarkResult.from_json(path.read_text()) == result
    assert [p.name for p in tmp_path.iterdir()] == ["b.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": "other/1"}'])
def test_other_text_is_refused(text):
    with pytest.raises(ArtifactError, match="BenchmarkResult.to_json"):
        BenchmarkResult.from_json(text)


def test_json_that_lost_a_field_is_refused(result):
    document = json.loads(result.to_json())
    del document["models"][0]["median_us"]
    with pytest.raises(ArtifactError, match="JSON document of a benchmark"):
        BenchmarkResult.from_json(json.dumps(document))


def test_saving_where_nothing_can_be_written(result, tmp_path):
    with pytest.raises(ArtifactError, match="existing directory"):
        result.save(tmp_path / "missing" / "b.json")


def test_an_unmeasured_name_is_named(result):
    with pytest.raises(InvalidArgumentError, match=r"'dense', 'small'.*name='x'"):
        result.ratio("x", "dense")


def test_the_table_says_it_all(result):
    text = result.table()
    for part in ("a cpu", "dense", "small", "5,000", "microseconds", "75.0%"):
        assert part in text
    assert "not timed" in text and "READ_VARIABLE" in text
    assert max(map(len, text.splitlines())) < 140


def test_the_machine_is_described():
    here = machine()
    assert here.cpu and here.cores >= 1 and here.system
    assert here.libraries["numpy"] == np.__version__
