"""What the comparison found: one row per method and budget."""

import dataclasses
import json
from typing import Any

import numpy as np

from keras_diffmask.export.compare.settings import Settings
from keras_diffmask.export.compare.trial import Figures
from keras_diffmask.export.demo.report import Spread
from keras_diffmask.export.machine import Machine

FORMAT = "keras_diffmask.compare/1"
#: How many points below the dense network still count as keeping up.
POINTS = 1.5


@dataclasses.dataclass(frozen=True)
class Row:
    """One method at one budget, over the seeds.

    Args:
        method: its name; `"dense"` for the network itself.
        budget: what was asked for, as a share of the MACs.
        accuracy: on the test part, 0 to 1.
        units: share of the gated units that are kept.
        weights: share of the parameters that are left and not 0.
        macs: share of the multiply-accumulates.
        epoch_seconds: wall time of an epoch.
        verdict: whether it kept up, or what it lacks.
    """

    method: str
    budget: float
    accuracy: Spread
    units: Spread
    weights: Spread
    macs: Spread
    epoch_seconds: Spread
    verdict: str


@dataclasses.dataclass(frozen=True)
class Report:
    """All that one comparison found.

    Args:
        settings: what was asked for.
        data: the data set's name, note, shape and sizes.
        rows: the table, the dense network first.
        machine: what it ran on, with the versions of the libraries.
        files: name -> path of what was written.
    """

    settings: Settings
    data: dict[str, Any]
    rows: tuple[Row, ...]
    machine: Machine
    files: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, for JSON."""
        return {"format": FORMAT, **dataclasses.asdict(self)}

    def to_json(self) -> str:
        """The report as a JSON document."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False)


def row_of(
    method: str, budget: float, trials: list[Figures], dense: list[Figures]
) -> Row:
    """The row of a method's trials, one per seed.

    Args:
        method: what the table calls it.
        budget: the share of the MACs that was asked for.
        trials: its figures.
        dense: those of the dense network.
    """

    def spread(name: str) -> Spread:
        return Spread.of([getattr(trial, name) for trial in trials])

    return Row(
        method=method,
        budget=budget,
        accuracy=spread("test"),
        units=spread("units"),
        weights=spread("weights"),
        macs=spread("macs"),
        epoch_seconds=spread("epoch_seconds"),
        verdict="" if trials is dense else _verdict(budget, trials, dense),
    )


def _verdict(budget: float, trials: list[Figures], dense: list[Figures]) -> str:
    lost = 100 * float(
        np.mean([one.test for one in dense]) - np.mean([one.test for one in trials])
    )
    change = f"{abs(lost):.2f} points {'below' if lost > 0 else 'above'} dense"
    if min(one.macs for one in trials) > budget:
        return f"{change}; lacks speed: its zeros lie inside of kernels"
    if lost > POINTS:
        return f"{change}: lacks {lost - POINTS:.2f} to be within {POINTS}"
    return change
