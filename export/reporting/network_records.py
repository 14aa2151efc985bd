"""What a report says of networks and trainings: what was kept, and curves."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class KeptRow:
    """Layers whose units live and die together.

    Args:
        name: what the row is called.
        kept, total: units that stay, and units that there were.
        reasons: what stayed though it was closed, or may not go, and why.
        removed: whether the layers went altogether.
    """

    name: str
    kept: int
    total: int
    reasons: tuple[str, ...] = ()
    removed: bool = False


@dataclasses.dataclass(frozen=True)
class Kept:
    """What a strip left of a network.

    Args:
        label: the network's name.
        rows: in the order of the network.
        macs, parameters: before and after; None where unknown.
        branches: residual branches that went whole.
    """

    label: str
    rows: tuple[KeptRow, ...]
    macs: tuple[int, int] | None = None
    parameters: tuple[int, int] | None = None
    branches: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class FrontPoint:
    """The best network of one run that meets a budget."""

    budget: str
    cost: float
    score: float


@dataclasses.dataclass(frozen=True)
class Front:
    """Score against cost, of one run.

    Args:
        cost: what `FrontPoint.cost` is a share of, such as "macs".
        metric: what the scores are.
        points: rising in cost.
        left_out: how many more have no finite score or cost.
    """

    cost: str
    metric: str
    points: tuple[FrontPoint, ...]
    left_out: int = 0

    @property
    def note(self) -> str:
        """What is missing, in a sentence; empty where nothing is."""
        if not self.left_out:
            return ""
        what = "budget is" if self.left_out == 1 else "budgets are"
        return f"{self.left_out} more {what} not here: no finite score or cost."


@dataclasses.dataclass(frozen=True)
class SearchCost:
    """A cost and its target at the end of every epoch, as shares of the dense one."""

    name: str
    values: tuple[float, ...]
    targets: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Search:
    """How `fit` came to its budget.

    Args:
        costs: one per cost that the budget names.
        met: per epoch whether the budget was met in integers; may be empty.
        steps_per_epoch: to count in steps; None counts epochs.
    """

    costs: tuple[SearchCost, ...]
    met: tuple[bool, ...] = ()
    steps_per_epoch: int | None = None
