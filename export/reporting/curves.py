"""From fronts and histories to the curves of a report."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_diffmask.errors import ArtifactError, InvalidArgumentError
from keras_diffmask.export.reporting.network_records import (
    Front,
    FrontPoint,
    Search,
    SearchCost,
)

_TARGET = "_target"
_FRONT_FILE = "front.json"


def front_of(front: Any) -> Front | None:
    """The curve of one run.

    Args:
        front: a `kd.callbacks.ParetoFront` after `fit`, the list that its
            `front()` returns, its folder or `front.json`; or None.

    Raises:
        InvalidArgumentError: it is neither, or holds no point.
        ArtifactError: the file cannot be read.
    """
    if front is None:
        return None
    metric = str(getattr(front, "monitor", ""))
    rows: Any = front
    if isinstance(front, (str, os.PathLike)):
        path = Path(front)
        held = _json(path / _FRONT_FILE if path.is_dir() else path, "a ParetoFront")
        rows = held.get("rows") if isinstance(held, dict) else None
        metric = str((held.get("about") or {}).get("monitor", "")) if rows else ""
    elif hasattr(front, "front"):
        rows = front.front()
    try:
        every = [_point(row) for row in rows]
        cost = every[0][0]
    except (TypeError, KeyError, IndexError, AttributeError, ValueError) as error:
        raise InvalidArgumentError(
            "front as a ParetoFront after fit, its rows or its folder",
            f"front={front!r}"[:100],
            "Pass the callback that fit was given.",
        ) from error
    points = [point for name, point in every if name == cost]
    # A training that diverged has a score that no axis has a place for.
    found = [p for p in points if math.isfinite(p.cost) and math.isfinite(p.score)]
    if not found:
        raise InvalidArgumentError(
            "front with a finite score",
            f"{len(points)} without one",
            "Look at the training: its metric was NaN or infinite in every epoch.",
        )
    return Front(
        cost=cost,
        metric=metric or "score",
        points=tuple(sorted(found, key=lambda p: p.cost)),
        left_out=len(points) - len(found),
    )


def _point(row: Any) -> tuple[str, FrontPoint]:
    held: Any = row if isinstance(row, Mapping) else vars(row)
    costs, budget = held["costs"], str(held["budget"])
    named = [name for name in costs if f"{name}=" in budget]
    name = (named or list(costs))[0]
    return name, FrontPoint(budget, float(costs[name]), float(held["score"]))


def search_of(history: Any, steps_per_epoch: int | None = None) -> Search | None:
    """How `fit` came to its budget.

    Args:
        history: what `fit` returned for a model with a budget, its `.history`, or
            the path of that as JSON; or None.
        steps_per_epoch: to count in steps; known of what `fit` returned.

    Raises:
        InvalidArgumentError: it is of a model without a budget.
        ArtifactError: the file cannot be read.
    """
    if history is None:
        return None
    logs: Any = history
    if isinstance(history, (str, os.PathLike)):
        logs = _json(Path(history), "fit(...).history")
    elif hasattr(history, "history"):
        steps = (getattr(history, "params", None) or {}).get("steps")
        logs, steps_per_epoch = history.history, steps_per_epoch or steps
    try:
        names = [key.removesuffix(_TARGET) for key in logs if key.endswith(_TARGET)]
        costs = tuple(
            SearchCost(name, _floats(logs[name]), _floats(logs[f"{name}{_TARGET}"]))
            for name in names
            if name in logs
        )
        met = tuple(bool(round(one)) for one in _floats(logs.get("budget_met", ())))
    except (TypeError, AttributeError, ValueError) as error:
        raise _no_search(type(logs).__name__) from error
    if not costs or not all(_is_whole(cost) for cost in costs):
        raise _no_search(f"one of {', '.join(map(str, logs)) or 'nothing'}"[:120])
    if not isinstance(steps_per_epoch, int) or steps_per_epoch < 1:
        steps_per_epoch = None
    return Search(costs, met, steps_per_epoch)


def _floats(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(one) for one in values)


def _is_whole(cost: SearchCost) -> bool:
    finite = all(map(math.isfinite, (*cost.values, *cost.targets)))
    return 0 < len(cost.values) == len(cost.targets) and finite


def _no_search(received: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        "the history of a model with a budget, which holds a cost and its target",
        received,
        "Pass what fit returned for a model of kd.mask_model(..., budget=...).",
    )


def _json(path: Path, what: str) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no JSON"
        raise ArtifactError(
            f"the JSON file of {what}", f"{str(path)!r} ({reason})", "Check the path."
        ) from error
