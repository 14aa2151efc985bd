"""What the surgery benchmark found, as frozen data that prints as a table."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_diffmask.export.benchmarking.records import Ratio
from keras_diffmask.export.machine import Machine

RESNET50_SECONDS = 3.0


@dataclasses.dataclass(frozen=True)
class SurgeryTimes:
    """How long one model took, in seconds.

    Args:
        model: family of networks, or a network's name.
        layers: layers with weights.
        plan_s: time of `export.plan`, per round.
        strip_s: time of `export.strip`, per round.
    """

    model: str
    layers: int
    plan_s: tuple[float, ...]
    strip_s: tuple[float, ...]

    @property
    def both_s(self) -> tuple[float, ...]:
        """Plan and strip together, per round."""
        return tuple(a + b for a, b in zip(self.plan_s, self.strip_s, strict=True))


@dataclasses.dataclass(frozen=True)
class Growth:
    """Time of the longest network over that of one an eighth as long.

    Args:
        family: of networks.
        ratio: of plan and strip together, with its spread over the rounds.
        limit: what linear growth may reach.
    """

    family: str
    ratio: Ratio
    limit: float

    def __str__(self) -> str:
        verdict = _verdict(self.ratio.median, self.limit)
        return (
            f"{self.family}: t({self.ratio.name}) / t({self.ratio.baseline}) = "
            f"{self.ratio}, {verdict} the limit of {self.limit:g}"
        )


@dataclasses.dataclass(frozen=True, repr=False)
class SurgeryResult:
    """Everything one call of `surgery_times` found.

    Args:
        times: the families, each by number of layers, and ResNet50 at last.
        growth: one entry per family.
        rounds: measurements of each time.
        machine: where it was measured.
        created: time of the measurement, ISO 8601 in UTC.
        resnet50_limit_s: what plan and strip of ResNet50 may take together.
    """

    times: tuple[SurgeryTimes, ...]
    growth: tuple[Growth, ...]
    rounds: int
    machine: Machine
    created: str
    resnet50_limit_s: float = RESNET50_SECONDS

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        return f"<SurgeryResult of {len(self.times)} networks>"

    def table(self) -> str:
        """Lines of text; medians in seconds, with the lowest and the highest."""
        lines = [
            f"{self.machine.cpu}, {self.machine.cores} cores; median (lowest..highest) "
            f"of {self.rounds} in seconds",
            f"{'model':<9} {'layers':>6}  {'plan':>22}  {'strip':>22}",
        ]
        lines += [
            f"{t.model:<9} {t.layers:>6}  {_spread(t.plan_s):>22}  "
            f"{_spread(t.strip_s):>22}"
            for t in self.times
        ]
        lines += [str(growth) for growth in self.growth]
        last, limit = self.times[-1], self.resnet50_limit_s
        verdict = _verdict(float(np.median(last.both_s)), limit)
        together = f"plan and strip together {_spread(last.both_s)} s"
        lines.append(f"{last.model}: {together}, {verdict} the limit of {limit:g} s")
        return "\n".join(lines)


def _verdict(value: float, limit: float) -> str:
    return "within" if value <= limit else "OVER"


def _spread(seconds: Sequence[float]) -> str:
    return f"{np.median(seconds):.2f} ({min(seconds):.2f}..{max(seconds):.2f})"
