"""Rows of words, as lines of text."""

from collections.abc import Collection, Sequence


def columns(table: Sequence[Sequence[str]], left: Collection[int]) -> list[str]:
    """Lays a table out in columns, with a rule under its first row.

    Args:
        table: the rows, the header first.
        left: places of the columns that stand to the left; others to the right.
    """
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    return lines
