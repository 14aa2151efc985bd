"""What one run of the tool came to."""

import dataclasses

#: The two tools that share the name.
INTERPRETER, COMPILED_MODEL = "interpreter", "compiled_model"


@dataclasses.dataclass(frozen=True)
class Figures:
    """What one run printed; what it did not is None, never a guess.

    Args:
        tool: `INTERPRETER` or `COMPILED_MODEL`.
        runs: timed inferences.
        mean_us: their average in microseconds.
        median_us, p5_us, p95_us, min_us, max_us, std_us: of them; tools before
            2024 print no median and no percentiles.
        init_us: loading the file.
        first_us: the first inference of the warm-up.
        init_mb, overall_mb: memory added by loading, and in all. 0 counts as
            not told: they are differences of a maximum that the tool inherits
            from whoever started it.
        peak_mb: highest memory of the process, where it was watched.
        delegate: name of the delegate that took operations; None where the
            tool says of none.
        delegated: operations that it took.
        nodes: operations that there were.
        parts: pieces that the delegate runs.
        is_whole: whether it runs all of the model.
        ignored: flags that the tool did not know.
    """

    tool: str
    runs: int
    mean_us: float
    median_us: float | None = None
    p5_us: float | None = None
    p95_us: float | None = None
    min_us: float | None = None
    max_us: float | None = None
    std_us: float | None = None
    init_us: float | None = None
    first_us: float | None = None
    init_mb: float | None = None
    overall_mb: float | None = None
    peak_mb: float | None = None
    delegate: str | None = None
    delegated: int | None = None
    nodes: int | None = None
    parts: int | None = None
    is_whole: bool | None = None
    ignored: tuple[str, ...] = ()

    @property
    def typical_us(self) -> float:
        """The median, or the average of a tool that has no median."""
        return self.mean_us if self.median_us is None else self.median_us
