"""What each estimator costs in a training step, as data that prints as a table."""

import dataclasses

from keras_diffmask.export.benchmarking.records import Ratio
from keras_diffmask.export.machine import Machine


@dataclasses.dataclass(frozen=True)
class EstimatorTime:
    """One masked network against the plain one.

    Args:
        network: name of the network.
        granularity: of its masks.
        estimator: name of the estimator, with what it is set to.
        plain_ms: median milliseconds of one plain step, in the same rounds.
        masked_ms: median milliseconds of one masked step.
        ratio: masked over plain, per round, with its spread.
        limit: what the median may be at most; None where there is no limit.
    """

    network: str
    granularity: str
    estimator: str
    plain_ms: float
    masked_ms: float
    ratio: Ratio
    limit: float | None

    @property
    def verdict(self) -> str:
        if self.limit is None:
            return ""
        word = "within" if self.ratio.median <= self.limit else "OVER"
        return f"{word} {self.limit:.2f}"


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """A pair that was not timed, and why.

    Args:
        network: name of the network.
        granularity: of the masks it would have had.
        estimator: name of the estimator.
        reason: what speaks against it.
    """

    network: str
    granularity: str
    estimator: str
    reason: str


@dataclasses.dataclass(frozen=True, repr=False)
class EstimatorResult:
    """Everything one call of `estimator_steps` found.

    Args:
        times: one entry per network, granularity and estimator.
        left_out: pairs that were not timed.
        backend: Keras' backend.
        batch: examples per step.
        rounds: rounds of each measurement.
        machine: where it was measured.
        created: time of the measurement, ISO 8601 in UTC.
    """

    times: tuple[EstimatorTime, ...]
    left_out: tuple[LeftOut, ...]
    backend: str
    batch: int
    rounds: int
    machine: Machine
    created: str

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        return f"<EstimatorResult of {len(self.times)} pairs on {self.backend}>"

    def table(self) -> str:
        """Lines of text; a step's median, and the ratio with its 5 % and 95 %."""
        rows = [
            ("network", "masks on", "estimator", "plain ms", "masked ms", "ratio", "")
        ]
        rows += [
            (
                time.network,
                time.granularity,
                time.estimator,
                f"{time.plain_ms:.2f}",
                f"{time.masked_ms:.2f}",
                str(time.ratio),
                time.verdict,
            )
            for time in self.times
        ]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = [
            f"{self.machine.cpu}, {self.machine.cores} cores; training steps, "
            f"batch {self.batch}, {self.backend}; median of {self.rounds} rounds",
            *(
                "  ".join(
                    cell.rjust(width) if 3 <= i <= 4 else cell.ljust(width)
                    for i, (cell, width) in enumerate(zip(row, widths, strict=True))
                ).rstrip()
                for row in rows
            ),
        ]
        lines += [
            f"left out: {one.estimator} on {one.granularity} of {one.network}: "
            f"{one.reason}"
            for one in self.left_out
        ]
        return "\n".join(lines)
