"""The committed table: reading, writing, printing, and what makes a row worse."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

COMMITTED = Path(__file__).with_name("results.json")

Row = dict[str, Any]
Rows = dict[tuple[str, float], Row]

_HEADER = (
    "model", "gates", "closed", "MACs before", "after", "left", "parameters left",
    "float32", "float64", "mask s", "plan s", "strip s", "what holds: units",
)  # fmt: skip


def load(path: Path) -> Rows:
    """The rows of a file by model and share closed; none where there is no file."""
    if not path.is_file():
        return {}
    rows = json.loads(path.read_text("utf-8"))["rows"]
    return {(row["model"], row["closed"]): row for row in rows}


def save(path: Path, rows: Rows, machine: dict[str, Any], order: list[str]) -> None:
    """Write one row a line, in the order of the models, for readable diffs."""
    keys = sorted(rows, key=lambda key: (order.index(key[0]), key[1]))
    lines = ",\n".join(f"  {json.dumps(tidy(rows[key]))}" for key in keys)
    head = json.dumps(machine)
    path.write_text(f'{{"machine": {head},\n "rows": [\n{lines}\n]}}\n', "utf-8")


def tidy(value: Any) -> Any:
    """Floats to four digits: the rest is weather."""
    if isinstance(value, dict):
        return {name: tidy(entry) for name, entry in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def fell(row: Row, committed: Rows) -> str | None:
    """Why a row is worse than the committed one, or None.

    Counted in MACs, which are whole numbers: the same decision that leaves one
    more of them is worse.
    """
    old = committed.get((row["model"], row["closed"]))
    if old is None or "macs" not in row or old["size"] != row["size"]:
        return None
    lost, was = (1 - r["macs"][1] / r["macs"][0] for r in (row, old))
    if lost >= was:
        return None
    return f"loses {lost:.2%} of its MACs, and lost {was:.2%} in the committed table"


def render(rows: Iterable[Row]) -> str:
    """The table as lines of text, and a line for each failure."""
    rows = list(rows)
    cells = [_HEADER, *(_cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(_HEADER))]
    lines = [
        "  ".join(
            cell.ljust(width) if i in (0, len(widths) - 1) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
    lines += [
        f"FAILED: {row['model']} at {row['closed']:.0%}: {failure}"
        for row in rows
        for failure in row["failures"]
    ]
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    if "macs" not in row:
        empty = ("",) * (len(_HEADER) - 3)
        return (row["model"], "", f"{row['closed']:.0%}", *empty)
    before, after = row["macs"]
    seconds = [f"{row['seconds'][what]:.1f}" for what in ("mask", "plan", "strip")]
    held = {**row["barriers"], **row["stays"]}
    return (
        row["model"],
        str(row["gates"]),
        f"{row['closed']:.0%}",
        f"{before:,}",
        f"{after:,}",
        f"{after / before:.1%}",
        f"{row['parameters'][1] / row['parameters'][0]:.1%}",
        f"{row['float32']:.1e}",
        f"{row['float64']:.1e}",
        *seconds,
        "; ".join(f"{reason}: {count}" for reason, count in held.items()),
    )
