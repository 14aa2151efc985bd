"""Which operation of one model is which of another: by kind, in order."""

import dataclasses
import difflib
from collections.abc import Sequence

from keras_diffmask.export.reporting.records import (
    OpCost,
    Times,
)


@dataclasses.dataclass(frozen=True)
class OpRow:
    """One operation and its times.

    Args:
        op: its kind.
        output: name of what it writes, in the first model that has it.
        us: per model its microseconds; None where it has none.
        present: per model whether it has the operation at all.
    """

    op: str
    output: str
    us: tuple[float | None, ...]
    present: tuple[bool, ...]

    @property
    def most(self) -> float:
        """The longest of its times."""
        return max((us for us in self.us if us is not None), default=0.0)


def paired(models: Sequence[Times]) -> list[OpRow]:
    """One row per operation of the first model, and one for those it lacks.

    A strip may take whole branches, so that two models have operations of the same
    kinds in the same order, but some are missing. The longest common order is
    matched; names of tensors change from one conversion to the next.

    Args:
        models: with operations, the first is the base.
    """
    rows: list[tuple[OpCost, list[OpCost | None]]] = [
        (op, [op] + [None] * (len(models) - 1)) for op in models[0].ops
    ]
    for place, model in enumerate(models[1:], 1):
        rows = _merged(rows, model.ops, place, len(models))
    return [
        OpRow(
            op=base.op,
            output=base.output,
            us=tuple(None if one is None else one.us for one in each),
            present=tuple(one is not None for one in each),
        )
        for base, each in rows
    ]


def _merged(
    rows: list[tuple[OpCost, list[OpCost | None]]],
    ops: Sequence[OpCost],
    place: int,
    width: int,
) -> list[tuple[OpCost, list[OpCost | None]]]:
    matcher = difflib.SequenceMatcher(
        None, [base.op for base, _ in rows], [op.op for op in ops], autojunk=False
    )
    found = []
    for kind, a, b, c, d in matcher.get_opcodes():
        found += rows[a:b]
        if kind == "equal":
            for (_, each), op in zip(rows[a:b], ops[c:d], strict=True):
                each[place] = op
            continue
        for op in ops[c:d]:
            alone: list[OpCost | None] = [None] * width
            alone[place] = op
            found.append((op, alone))
    return found


def tail(name: str, longest: int = 36) -> str:
    """The end of a tensor's name: the converter joins all that it fused."""
    parts = name.split(";")[-1].split("/")
    while len(parts) > 1 and len("/".join(parts)) > longest:
        del parts[0]
    last = "/".join(parts)
    return last if len(last) <= longest else "…" + last[1 - longest :]
