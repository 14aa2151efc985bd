"""The table of operations, as CSV or as the tool prints it.

Neither is one table: blocks for the initialization, for the runs, and for the
inside of a delegate, each in run order and once more by time.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

#: A row of the graph behind which a delegate hides the operations it has taken.
_HIDING = "Delegate"


@dataclass(frozen=True)
class OpRow:
    """One operation.

    Args:
        kind: its type, such as `"CONV_2D"`; a delegate has types of its own.
        name: its output's name, as the tool writes it.
        mean_us: average microseconds per inference.
    """

    kind: str
    name: str
    mean_us: float


def read_ops(text: str) -> tuple[OpRow, ...]:
    """Reads the operations of the runs, in run order.

    Args:
        text: the CSV file, or the tool's stdout.

    Returns:
        The operations; what a delegate ran stands where the delegate's own row
        stood. Empty where there is no such table.
    """
    blocks = list(_blocks(text.splitlines()))
    graph = next((rows for part, rows in blocks if part == "runs"), [])
    inside = next((rows for part, rows in blocks if part == "delegate"), [])
    hiding = [place for place, row in enumerate(graph) if _is_hiding(row)]
    # With several parts nobody can tell which row is whose.
    if inside and len(hiding) == 1:
        graph = graph[: hiding[0]] + inside + graph[hiding[0] + 1 :]
    return tuple(graph)


def _is_hiding(row: OpRow) -> bool:
    return row.kind.endswith(_HIDING)


def _blocks(lines: Iterable[str]) -> Iterator[tuple[str, list[OpRow]]]:
    """The tables in run order, with what they are of."""
    part, rest = "", iter(lines)
    for line in rest:
        if "Profiling Info for Benchmark Initialization" in line:
            part = "initialization"
        elif "Operator-wise Profiling Info" in line:
            part = "runs"
        elif line.strip().startswith("Delegate internal"):
            part = f"{part} delegate".removeprefix("runs ")
        elif "= Run Order =" in line:
            yield part, list(_rows(rest))


def _rows(lines: Iterator[str]) -> Iterator[OpRow]:
    header: list[str] = []
    for line in lines:
        if not line.strip():
            return
        cells = _cells(line, len(header))
        if not header:
            header = [cell.strip("[]").lower().replace("_", " ") for cell in cells]
            continue
        row = dict(zip(header, cells, strict=False))
        if (time := _mean_us(row)) is not None:
            # The name's number is the operation's; in CSV tabs are commas.
            name = row.get("name", "").replace("\t", ",")
            yield OpRow(row.get("node type", ""), name, time)


def _cells(line: str, columns: int) -> list[str]:
    """A row's cells: the last, a name, may hold whatever separates them."""
    separator = "\t" if line.startswith("\t") else ", "
    cells = line.removeprefix("\t").split(separator, max(columns - 1, -1))
    return [cell.strip() for cell in cells]


def _mean_us(row: Mapping[str, str]) -> float | None:
    try:
        return float(row["avg ms"]) * 1e3
    except (KeyError, ValueError):
        return None
