"""The comparison's table, as lines of text."""

from keras_diffmask.export.columns import columns
from keras_diffmask.export.compare.report import Report, Row
from keras_diffmask.export.demo.report import Spread

HEADER = (
    "method", "test accuracy % (lowest..highest)", "units kept %", "weights kept %",
    "MACs %", "s / epoch", "",
)  # fmt: skip


def render(report: Report) -> str:
    """Lays a report out as text.

    Args:
        report: what `run` returned.

    Returns:
        The table, and above it what it is about.
    """
    table = [HEADER, *(_cells(row) for row in report.rows)]
    lines = columns(table, left=(0, len(HEADER) - 1))
    return "\n".join([*_title(report), "", *lines])


def _title(report: Report) -> list[str]:
    settings, data = report.settings, report.data
    note = f" ({data['note']})" if data["note"] else ""
    budgets = " and ".join(f"{share:.0%}" for share in settings.budgets)
    lines = [
        f"{data['name']}{note}: {data['train']:,} examples to train on, "
        f"{data['test']:,} to test; {settings.epochs} epochs, seeds: {settings.seeds}; "
        f"budget: {budgets} of the MACs",
        f"Seconds on {report.machine.cpu}, {report.machine.cores} cores.",
    ]
    if settings.quick:
        lines.append("A quick run: too short for its accuracies to mean anything.")
    return lines


def _cells(row: Row) -> tuple[str, ...]:
    spread = row.accuracy
    figures = f"{spread.mean:.2%} ({spread.low:.2%}..{spread.high:.2%})"
    shares = (row.units, row.weights, row.macs)
    return (
        row.method,
        figures.replace("%", ""),
        *(_share(share) for share in shares),
        f"{row.epoch_seconds.mean:.1f}",
        row.verdict,
    )


def _share(spread: Spread) -> str:
    return f"{spread.mean:.1%}".replace("%", "")
