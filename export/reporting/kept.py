"""From plans and summaries, or what the shell's commands printed of them."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from keras_diffmask.errors import ArtifactError, InvalidArgumentError
from keras_diffmask.export.reporting.network_records import (
    Kept,
    KeptRow,
)

_NEXT = "Pass export.plan(masked), or the file of `keras-diffmask plan ... --json`."


def kept_of(plan: Any) -> tuple[Kept, ...]:
    """What strips left of networks.

    Args:
        plan: an `export.Plan`, a `kd.summary`, the path of a file that
            `keras-diffmask plan --json` or `summary --json` printed; or several,
            as a list, or as a dict by what they are called; or None.

    Returns:
        One entry per plan.

    Raises:
        InvalidArgumentError: it is neither.
        ArtifactError: a file cannot be read.
    """
    if plan is None:
        return ()
    if isinstance(plan, Mapping) and not ("rows" in plan or "layers" in plan):
        return tuple(_kept(one, str(label)) for label, one in plan.items())
    if isinstance(plan, (list, tuple)):
        return tuple(_kept(one) for one in plan)
    return (_kept(plan),)


def _kept(plan: Any, label: str = "") -> Kept:
    data = plan
    if isinstance(plan, (str, os.PathLike)):
        data = _from_file(plan)
    elif hasattr(plan, "to_dict"):
        data = plan.to_dict()
    try:
        if "rows" in data:
            return _from_plan(data, label)
        return _from_summary(data, label)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        what = (
            repr(os.fspath(plan))
            if data is not plan and not hasattr(plan, "to_dict")
            else f"a {type(plan).__name__}"
        )
        raise InvalidArgumentError(
            "plan as what export.plan or kd.summary says of a model", what, _NEXT
        ) from error


def _from_file(path: str | os.PathLike[str]) -> Any:
    try:
        return json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no JSON"
        raise ArtifactError(
            "the JSON file of a plan that can be read",
            f"{os.fspath(path)!r} ({reason})",
            "Write one with `keras-diffmask plan masked.keras --json > plan.json`.",
        ) from error


def _from_plan(data: Mapping[str, Any], label: str) -> Kept:
    rows = tuple(
        KeptRow(
            name=_tied(tuple(row["layers"])),
            kept=int(row["kept"]),
            total=int(row["total"]),
            reasons=tuple(_reasons(row)),
            removed=bool(row["removed"]),
        )
        for row in data["rows"]
    )
    branches = data.get("branches") or ()
    return Kept(
        label=label or str(data["model"]),
        rows=_checked(rows),
        macs=_pair(data.get("macs")),
        parameters=_pair(data.get("parameters")),
        branches=tuple(_branch(one) for one in branches),
    )


def _from_summary(data: Mapping[str, Any], label: str) -> Kept:
    layers = data["layers"]
    rows = tuple(
        KeptRow(str(row["name"]), int(row["units"][0]), int(row["units"][1]))
        for row in layers
        if row["units"][1]
    )
    # A summary's pairs are (after, before).
    totals = {
        what: (sum(row[what][1] for row in layers), sum(row[what][0] for row in layers))
        for what in ("macs", "parameters")
    }
    branches = tuple(_branch(one) for one in data.get("branches") or ())
    return Kept(
        label or str(data["model"]), _checked(rows), branches=branches, **totals
    )


def _checked(rows: tuple[KeptRow, ...]) -> tuple[KeptRow, ...]:
    for row in rows:
        if not (row.total >= 1 and 0 <= row.kept <= row.total):
            raise ValueError(f"{row.kept} of {row.total}")
    return rows


def _tied(layers: tuple[str, ...]) -> str:
    others = len(layers) - 1
    return f"{layers[0]} (+{others} tied)" if others else str(layers[0])


def _reasons(row: Mapping[str, Any]) -> Iterable[str]:
    if row["removed"]:
        yield "the whole branch goes"
    elif row["protected"]:
        yield str(row["protected"])
    for reason, count in row["stays"].items():
        yield f"{count:,} closed, and kept: {reason}"


def _pair(pair: Any) -> tuple[int, int] | None:
    return None if pair is None else (int(pair[0]), int(pair[1]))


def _branch(branch: Mapping[str, Any]) -> str:
    return f"{branch['join']}: {', '.join(branch['layers'])}"
