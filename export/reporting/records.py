"""What a report is made of: figures and words, nothing of how they look.

Whatever was not measured is None, an empty string or an empty tuple.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Fit:
    """Whether a target's runtime has what a file needs.

    Args:
        target: the target's name.
        reason: what speaks against it; empty where nothing does.
    """

    target: str
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class ModelFacts:
    """One .tflite file, by what stands in it.

    Args:
        name: what tables call it.
        bytes: size of the file.
        sha256: hash of the file, in hexadecimal.
        quantization: its mode, as "int8".
        target: the device it was written for; empty where that is unknown.
        inputs, outputs: one description per tensor.
        ops: (operator, how many), in order of appearance.
        macs: multiply-accumulates per invocation; None where an operator's are
            not known.
        arena_bytes: what TFLM's interpreter took for it on this computer, or None.
        arena_note: why there are no `arena_bytes`.
        scores: accuracy, 0 to 1, one per seed.
        difference: rms distance to the Keras model over the output's rms, or None.
        fits: which targets have its operators and types.
        notes: what its caller has to know.
        path: the file it was read from; empty where there is none.
    """

    name: str
    bytes: int
    sha256: str
    quantization: str
    target: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    ops: tuple[tuple[str, int], ...] = ()
    macs: int | None = None
    arena_bytes: int | None = None
    arena_note: str = ""
    scores: tuple[float, ...] = ()
    difference: float | None = None
    fits: tuple[Fit, ...] = ()
    notes: tuple[str, ...] = ()
    path: str = ""

    @property
    def accuracy(self) -> float | None:
        """The mean of the scores."""
        return sum(self.scores) / len(self.scores) if self.scores else None


@dataclasses.dataclass(frozen=True)
class OpCost:
    """One operation of a model, timed; `us` is None where it could not be."""

    index: int
    op: str
    output: str
    us: float | None


@dataclasses.dataclass(frozen=True)
class Times:
    """Times of one model on one device, microseconds per inference.

    Args:
        name: the model's name.
        bytes: size of the file that was measured.
        median, p5, p95, minimum, mean, deviation: over the inferences.
        init, first: loading, and the first inference.
        runs: number of inferences.
        rounds: one time per round, in order.
        peak_mb: the most memory it took, in MB.
        delegate: what ran its operators; empty where the benchmark does not say.
        ops: its operations, in order.
        ops_are: what their times are, "median" or "mean".
        ops_sum, ops_whole: sum of the operations, and the whole model beside them.
        note: what keeps the times from saying more.
        fastest: the fastest inference of each round; empty where nobody tells it.
    """

    name: str
    bytes: int | None = None
    median: float | None = None
    p5: float | None = None
    p95: float | None = None
    minimum: float | None = None
    mean: float | None = None
    deviation: float | None = None
    init: float | None = None
    first: float | None = None
    runs: int | None = None
    rounds: tuple[float, ...] = ()
    peak_mb: float | None = None
    delegate: str = ""
    ops: tuple[OpCost, ...] = ()
    ops_are: str = "median"
    ops_sum: float | None = None
    ops_whole: float | None = None
    note: str = ""
    fastest: tuple[float, ...] = ()

    @property
    def compared(self) -> tuple[float, ...]:
        """What ratios are of, one time per round, as in the benchmark itself."""
        return self.fastest or self.rounds

    @property
    def typical(self) -> float | None:
        """The median; the mean where a device's tool has no median."""
        return self.mean if self.median is None else self.median

    @property
    def typical_is(self) -> str:
        """Which of the two it is."""
        return "mean" if self.median is None else "median"


@dataclasses.dataclass(frozen=True)
class Quotient:
    """Time of a model over the first one's, over the rounds.

    Args:
        name: the model.
        baseline: the first one.
        median, p5, p95: over the rounds.
        rounds: how many there were.
    """

    name: str
    baseline: str
    median: float
    p5: float
    p95: float
    rounds: int

    @property
    def is_clear(self) -> bool:
        """Whether the spread leaves 1 out: else no difference was seen."""
        return not self.p5 <= 1.0 <= self.p95


@dataclasses.dataclass(frozen=True)
class Timing:
    """One benchmark.

    Args:
        device: where it ran, in the benchmark's word, as "host".
        label: the same for people: the processor's or the phone's name.
        threads: of each model.
        created: when, ISO 8601.
        facts: (what, value) of the device and its software.
        models: one per model, in the benchmark's order.
        ratios: of every model but the first of the report, over that one.
        remarks: what speaks against the figures, such as throttling.
        commands: what repeats it by hand.
    """

    device: str
    label: str
    threads: int | None
    created: str
    facts: tuple[tuple[str, str], ...]
    models: tuple[Times, ...]
    ratios: tuple[Quotient, ...]
    remarks: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()

    @property
    def is_of_fastest(self) -> bool:
        """Whether the ratios are of the fastest inference of each round."""
        return bool(self.models) and all(one.fastest for one in self.models)
