"""The timing loop on a fake clock: who runs when, and what is timed."""

from keras_diffmask.export.benchmarking.interleave import (
    interleaved,
    runs_per_round,
    warm_up,
)


def test_every_round_runs_every_model(stage):
    clock, log, make = stage
    runners = {name: make(name, 5) for name in "abc"}
    interleaved(runners, 6, dict.fromkeys("abc", 2), clock, settle=0)
    names = [name for act, name in log if act == "run"][::2]
    rounds = [names[i : i + 3] for i in range(0, len(names), 3)]
    assert [sorted(turn) for turn in rounds] == [["a", "b", "c"]] * 6
    assert [turn[0] for turn in rounds] == ["a", "c", "b", "a", "c", "b"]
    assert rounds[1] == rounds[0][::-1]


def test_two_models_alternate_so_that_a_drift_cancels(stage):
    clock, log, make = stage
    drift = iter(range(100))
    runners = {name: make(name, lambda _: 1000 + next(drift)) for name in "ab"}
    times = interleaved(runners, 4, {"a": 1, "b": 1}, clock, settle=0)
    assert "".join(name for act, name in log if act == "run") == "abbabaab"
    assert sum(map(sum, times["a"])) == sum(map(sum, times["b"]))


def test_only_the_run_is_timed_and_prepare_comes_before_each(stage):
    clock, log, make = stage
    times = interleaved({"a": make("a", 7)}, 3, {"a": 4}, clock)
    assert times == {"a": [[7] * 4] * 3}
    assert log == [("prepare", "a"), ("run", "a")] * (3 * 5)


def test_the_run_after_a_change_of_models_is_not_timed(stage):
    clock, _, make = stage
    runner = make("a", lambda done: 1000 if done % 3 == 0 else 7)
    assert interleaved({"a": runner}, 2, {"a": 2}, clock) == {"a": [[7, 7]] * 2}


def test_progress_counts_to_the_end(stage):
    clock, _, make = stage
    seen = []
    report = lambda *at: seen.append(at)  # noqa: E731
    interleaved({"a": make("a", 1)}, 3, {"a": 1}, clock, report)
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_warm_up_ignores_the_first_half(stage):
    clock, _, make = stage
    runner = make("a", lambda done: 10**6 if done < 3 else 50)
    assert warm_up(runner, 6, clock) == 50
    assert runner.done == 6


def test_runs_per_round_fill_the_time_within_bounds():
    assert runs_per_round(1_000_000, rounds=10, seconds=1.0) == 100
    assert runs_per_round(10**10, rounds=10, seconds=1.0) == 1
    assert runs_per_round(1, rounds=10, seconds=1.0) == 1000
