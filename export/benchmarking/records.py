"""The records a benchmark result is made of."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class OpTime:
    """Time of one operation, measured alone.

    Args:
        index: place in the model's run order, from 0.
        op: TFLite's name of the operation, such as `"CONV_2D"`; a delegate has
            names of its own.
        output: name of its first output tensor.
        median_us: median of its times in microseconds, or `None` where the
            operation cannot run outside its model.
        share: fraction (0 to 1) of the sum over all operations.
    """

    index: int
    op: str
    output: str
    median_us: float | None
    share: float | None


@dataclasses.dataclass(frozen=True)
class OpTable:
    """Per-operation times of one model, and how well they add up.

    Args:
        ops: one entry per operation, in run order.
        sum_us: sum of the medians in microseconds.
        whole_us: median of the whole model in the same interleaved run.
        statistic: `"median"`; `"mean"` where a device's tool gives averages,
            and `median_us` of the operations holds these.
    """

    ops: tuple[OpTime, ...]
    sum_us: float
    whole_us: float
    statistic: str = "median"


@dataclasses.dataclass(frozen=True)
class ModelTimes:
    """Times of one model, in microseconds per inference.

    On this computer they are over all timed inferences. A device's tool tells no
    single ones, but figures of each round: then `median_us`, `p5_us`, `p95_us`,
    `std_us`, `init_us` and `first_us` are medians of these over the rounds,
    `mean_us` is the mean of all inferences, `min_us` the least of all. What
    nobody tells is None.

    Args:
        name: the name given to `benchmark`.
        bytes: size of the `.tflite` file.
        init_us: loading the file and allocating its tensors, once.
        runs: number of timed inferences.
        median_us, p5_us, p95_us, min_us, mean_us: of the timed inferences.
        round_us: median within each round, in the order of the rounds; the
            mean where a tool has no median.
        ops: per-operation times, or `None` where they were not asked for.
        note: what keeps the times from saying more than they do; empty where
            nothing does.
        std_us: standard deviation of the timed inferences.
        first_us: the first inference after loading, which is not timed.
        peak_mb: highest memory of the process in MB, in a run of its own.
        init_mb: memory that loading the model adds, in MB.
        overall_mb: memory that loading and running it adds, in MB.
        delegate: name of the delegate that ran operations, such as `"XNNPACK"`.
        delegated: operations that it took.
        nodes: operations that the file has.
        parts: pieces that the delegate runs.
        is_whole: whether it runs all of the model.
        round_min_us: fastest inference of each round, on this computer.
    """

    name: str
    bytes: int
    init_us: float | None
    runs: int
    median_us: float | None
    p5_us: float | None
    p95_us: float | None
    min_us: float | None
    mean_us: float
    round_us: tuple[float, ...]
    ops: OpTable | None = None
    note: str = ""
    std_us: float | None = None
    first_us: float | None = None
    peak_mb: float | None = None
    init_mb: float | None = None
    overall_mb: float | None = None
    delegate: str | None = None
    delegated: int | None = None
    nodes: int | None = None
    parts: int | None = None
    is_whole: bool | None = None
    round_min_us: tuple[float, ...] = ()

    @property
    def compared_us(self) -> tuple[float, ...]:
        """One time per round, for ratios: the fastest one where it is known.

        On a busy computer an inference is interrupted for some milliseconds,
        and of two models the slower one more often: with eight processes on two
        cores the medians of a model of 1.9 ms and one of 1.1 ms have had a ratio
        of 0.29, the fastest ones in the same rounds 0.58, as when it is quiet.
        """
        return self.round_min_us or self.round_us

    @classmethod
    def from_times(
        cls,
        name: str,
        size: int,
        init_us: float,
        times_ns: list[list[int]],
        note: str = "",
        first_us: float | None = None,
    ) -> "ModelTimes":
        """Boils down the times of one model.

        Args:
            name: name of the model.
            size: bytes of the `.tflite` file.
            init_us: microseconds of loading it.
            times_ns: per round, the nanoseconds of every inference.
            note: see above.
            first_us: see above.

        Returns:
            The statistics, in microseconds.
        """
        every = np.concatenate([np.asarray(block, float) for block in times_ns]) / 1e3
        p5, median, p95 = np.percentile(every, [5, 50, 95])
        return cls(
            name=name,
            bytes=size,
            init_us=float(init_us),
            runs=int(every.size),
            median_us=float(median),
            p5_us=float(p5),
            p95_us=float(p95),
            min_us=float(every.min()),
            mean_us=float(every.mean()),
            round_us=tuple(float(np.median(block)) / 1e3 for block in times_ns),
            note=note,
            std_us=float(every.std()),
            first_us=first_us,
            round_min_us=tuple(float(np.min(block)) / 1e3 for block in times_ns),
        )


@dataclasses.dataclass(frozen=True)
class Tool:
    """The program that measured on a device.

    Args:
        kind: `"interpreter"`, the classic benchmark_model, or
            `"compiled_model"`, LiteRT's newer one of the same name.
        path: on the computer that it was copied from.
        sha256: of its file: it prints no version.
        bytes: size of its file.
        delegate: what was asked for: `"cpu"`, `"gpu"` or `"none"`.
        cores: mask of the cores that it ran on, in hexadecimal; None for all.
    """

    kind: str
    path: str
    sha256: str
    bytes: int
    delegate: str
    cores: str | None


@dataclasses.dataclass(frozen=True)
class Ratio:
    """Time of one model over another's, with its spread over the rounds.

    Args:
        name: the model above the line.
        baseline: the model below it.
        median: median over rounds of the per-round ratio.
        p5, p95: 5th and 95th percentile over rounds.
        rounds: number of rounds.
    """

    name: str
    baseline: str
    median: float
    p5: float
    p95: float
    rounds: int

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.p5:.3f}..{self.p95:.3f})"

    @classmethod
    def of(
        cls,
        name: str,
        baseline: str,
        above: tuple[float, ...],
        below: tuple[float, ...],
    ) -> "Ratio":
        """Compares two series of round times, round by round.

        Args:
            name: what `above` is called.
            baseline: what `below` is called.
            above: time per round, any unit.
            below: time per round of the baseline, same unit and order.

        Returns:
            The ratio; a noisy round moves both of its times and so hardly
            moves their quotient.
        """
        quotients = np.asarray(above, float) / np.asarray(below, float)
        p5, median, p95 = np.percentile(quotients, [5, 50, 95])
        return cls(name, baseline, float(median), float(p5), float(p95), quotients.size)
