"""A latency table as lines to read: the steps in which times rise."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_diffmask.costs.latency_table import LatencyRow, LatencyTable


def render(table: "LatencyTable") -> str:
    """Lays a latency table out as text.

    Args:
        table: what `measure_latency` returned.

    Returns:
        For each operator its microseconds against its output channels, at all
        of its input channels, and what they are of the dense operator's.
    """
    lines = [
        f"{table.model}, {table.quantization}: {table.dense_ns / 1e3:,.1f} "
        f"microseconds on {table.machine} [{table.device}]",
        table.engine,
    ]
    for row in table.rows:
        lines += ["", f"{row.layer} {row.kind}, {row.inputs[-1]} input channels"]
        lines += _lines(row)
    return "\n".join(lines)


def _lines(row: "LatencyRow") -> list[str]:
    dense = row.ns[-1][-1]
    width = max(len(f"{ns / 1e3:,.2f}") for ns in row.ns[-1])
    return [
        f"  {channels:>5} channels  {ns / 1e3:>{width},.2f}"
        + (f"  {ns / dense:>5.0%}" if dense else "")
        for channels, ns in zip(row.outputs, row.ns[-1], strict=True)
    ]
