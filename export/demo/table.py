"""The demo's table, as lines of text."""

from keras_diffmask.export.columns import columns
from keras_diffmask.export.demo.report import Report, Row

HEADER = (
    "model", "test accuracy % (lowest..highest)", "parameters", "MACs",
    "float32 file", "int8 file", "time / dense",
)  # fmt: skip


def render(report: Report) -> str:
    """Lays a report out as text.

    Args:
        report: what `run` returned.

    Returns:
        The table, and under it what it comes to.
    """
    table = [HEADER, *(_cells(row) for row in report.rows)]
    lines = columns(table, left=(0,))
    return "\n".join([_title(report), "", *lines, "", *_verdict(report)])


def _title(report: Report) -> str:
    data, seeds = report.data, len(report.trials)
    note = f" ({data['note']})" if data["note"] else ""
    shifts = " and their shifts" if report.recipe.shifts else ""
    return (
        f"{data['name']}{note}: {data['train']:,} examples{shifts} to train on, "
        f"{data['test']:,} to test; {report.recipe.epochs} epochs, "
        f"{seeds} seed{'s' * (seeds > 1)}"
    )


def _verdict(report: Report) -> list[str]:
    machine = report.benchmark.machine
    lost = report.points_lost
    change = f"{abs(lost):.2f} points {'below' if lost > 0 else 'above'}"
    lines = [
        f"MACs: {report.macs_share:.1%} of the dense network's, for a budget of "
        f"{report.settings.budget:.0%}.",
        f"int8 file: {report.int8_shrink:.2f} times smaller than the dense int8 one.",
        f"Accuracy: the pruned int8 model is {change} the dense float model.",
        f"Times on {machine.cpu}, {report.benchmark.threads} thread; "
        f"{report.seconds:.0f} s for everything.",
    ]
    notes = dict.fromkeys(m.note for m in report.benchmark.models if m.note)
    lines += [f"Of the int8 models: {note}" for note in notes]
    if report.settings.quick:
        lines.append("A quick run: too short for its accuracies to mean anything.")
    return lines


def _cells(row: Row) -> tuple[str, ...]:
    spread = row.accuracy
    return (
        row.name,
        f"{spread.mean:.2%} ({spread.low:.2%}..{spread.high:.2%})".replace("%", ""),
        f"{row.parameters:,.0f}",
        f"{row.macs:,.0f}",
        _size(row.float_bytes),
        _size(row.int8_bytes),
        f"{row.time_ratio:.2f}",
    )


def _size(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"
