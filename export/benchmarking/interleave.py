"""Timing several things in turns, so that outside noise hits all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

Clock = Callable[[], int]
Progress = Callable[[int, int], None]


class Runner(Protocol):
    """Something that can be timed again and again."""

    def prepare(self) -> None:
        """Brings it back to its starting state; never timed."""

    def run(self) -> None:
        """The work whose time counts."""


def interleaved(
    runners: Mapping[str, Runner],
    rounds: int,
    runs: Mapping[str, int],
    clock: Clock = time.perf_counter_ns,
    progress: Progress | None = None,
    settle: int = 1,
) -> dict[str, list[list[int]]]:
    """Times every runner in every round.

    A shared computer slows down and recovers within seconds. Timed one after
    the other, two equal models can differ by a factor of two; timed in turns
    they meet the same weather, and their ratio within a round stays put.

    Args:
        runners: what to time, by name.
        rounds: number of rounds, at least 1.
        runs: timed runs per round, for each name.
        clock: returns nanoseconds.
        progress: called with (rounds done, rounds in all).
        settle: untimed runs at the start of each runner's turn, after the
            runner before it has emptied the caches.

    Returns:
        For each name a list of rounds, each a list of nanoseconds per run.
    """
    names = list(runners)
    times: dict[str, list[list[int]]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in order_of(names, turn):
            times[name].append(_block(runners[name], runs[name], clock, settle))
        if progress is not None:
            progress(turn + 1, rounds)
    return times


def order_of(names: Sequence[str], turn: int) -> list[str]:
    """Who runs after whom in a round.

    Args:
        names: all of them.
        turn: number of the round, from 0.

    Returns:
        The names rotated and then reversed: nobody always runs first, and nobody
        always runs after the same neighbour (who leaves the caches to it).
    """
    start = (turn // 2) % len(names)
    order = [*names[start:], *names[:start]]
    return order if turn % 2 == 0 else order[::-1]


def _block(runner: Runner, runs: int, clock: Clock, settle: int) -> list[int]:
    for _ in range(settle):
        runner.prepare()
        runner.run()
    block = []
    for _ in range(runs):
        runner.prepare()
        start = clock()
        runner.run()
        block.append(clock() - start)
    return block


def warm_up(runner: Runner, runs: int, clock: Clock = time.perf_counter_ns) -> int:
    """Runs something before it is timed.

    Args:
        runner: what to run.
        runs: number of runs, at least 1.
        clock: returns nanoseconds.

    Returns:
        Nanoseconds of one run: the median of the second half of the runs,
        to estimate how many fit into the time there is.
    """
    spent = []
    for _ in range(runs):
        runner.prepare()
        start = clock()
        runner.run()
        spent.append(clock() - start)
    return max(1, int(statistics.median(spent[len(spent) // 2 :])))


def runs_per_round(one_run_ns: int, rounds: int, seconds: float) -> int:
    """How many runs of one model go into each round.

    Args:
        one_run_ns: nanoseconds of one run.
        rounds: number of rounds.
        seconds: time to spend on this model over all rounds.

    Returns:
        At least 1, at most 1,000.
    """
    fitting = int(seconds * 1e9 / rounds / one_run_ns)
    return min(1000, max(1, fitting))
