"""Plan: what a strip takes out, what stays, and why."""

from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import Any

from keras_diffmask.export.surgery.savings import savings
from keras_diffmask.graph import ClosedBranch, Group, Proof, group, without_macs


@dataclass(frozen=True)
class PlanRow:
    """One set of layers whose units live and die together.

    Attributes:
        name: of one of the layers, numbered where it writes several groups; the
            gate that `mask_model` gives them is called `<name>_gate`.
        layers: names of the layers that write these units.
        kept: units that stay.
        total: units that there were.
        stays: reason -> how many units are closed, and stay because of it.
        protected: why nothing here can be removed, or None.
        removed: whether the layers went altogether (a closed branch).
        saved_parameters: what its removal saves by itself, if nothing else went.
        saved_macs: the same in multiply-accumulates per example.
        saved_bytes: the same in bytes of float32 weights.
    """

    name: str
    layers: tuple[str, ...]
    kept: int
    total: int
    stays: dict[str, int]
    protected: str | None
    removed: bool
    saved_parameters: int = 0
    saved_macs: int = 0
    saved_bytes: int = 0


@dataclass(frozen=True, repr=False)
class Plan:
    """What `export.strip` does to a model; `print(plan)` shows it as a table.

    Attributes:
        model: the model's name.
        rows: one per set of tied layers, in the order of the model.
        macs: multiply-accumulates per example, before and after.
        parameters: entries of all weights, before and after.
        gates: how many gates the model has; none where it was not masked.
        branches: the residual branches that go whole.
        uncounted: names of layers whose multiply-accumulates are not in `macs`.
    """

    model: str
    rows: tuple[PlanRow, ...]
    macs: tuple[int, int]
    parameters: tuple[int, int]
    gates: int
    branches: tuple[ClosedBranch, ...] = ()
    uncounted: tuple[str, ...] = ()

    @property
    def removed_units(self) -> int:
        """How many units go."""
        return sum(row.total - row.kept for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain data, for JSON."""
        return asdict(self)

    def __repr__(self) -> str:
        return f"<Plan of {self.model}: {self.removed_units:,} units go>"

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [
            ("layers", "kept", "parameters", "MACs", "why it stays")
        ]
        for row in self.rows:
            label = " + ".join(row.layers)
            label = label if len(label) <= 40 else label[:37] + "..."
            saved = [
                f"-{n:,}" if n else "" for n in (row.saved_parameters, row.saved_macs)
            ]
            rows.append((label, f"{row.kept} of {row.total}", *saved, _why(row)))
        widths = [max(len(row[place]) for row in rows) for place in range(4)]
        lines = [
            "  ".join(
                cell.ljust(width) if place == 0 else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=False))
            )
            + f"  {row[-1]}"
            for row in rows
        ]
        lines += [str(branch) for branch in self.branches]
        alone = sum(row.saved_macs for row in self.rows)
        if alone > self.macs[0] - self.macs[1]:
            lines.append(
                "Each row by itself: a kernel with fewer inputs and fewer outputs is "
                "in two of them."
            )
        if not self.gates:
            lines.append("No gates in this model: keras_diffmask.mask_model adds them.")
        for what, pair in (("MACs", self.macs), ("parameters", self.parameters)):
            share = pair[1] / pair[0] if pair[0] else 1.0
            lines.append(f"{what}: {pair[0]:,} -> {pair[1]:,} ({share:.1%})")
        lines += without_macs(self.uncounted)
        return "\n".join(line.rstrip() for line in lines)


def _why(row: PlanRow) -> str:
    if row.removed:
        return "the whole branch goes"
    if row.protected:
        return row.protected
    return "; ".join(f"{count} closed: {why}" for why, count in row.stays.items())


def rows_of(proof: Proof) -> tuple[PlanRow, ...]:
    """One row per group of units."""
    groups = group(proof.graph)
    live = {id(step) for step in proof.live}
    parameters = savings(proof, groups, proof.graph.parameters())
    macs = savings(proof, groups, proof.graph.macs())
    return tuple(
        replace(
            _row(proof, item, live),
            saved_parameters=round(parameters[index]),
            saved_macs=round(macs[index]),
            saved_bytes=4 * round(parameters[index]),
        )
        for index, item in enumerate(groups.items)
    )


def _row(proof: Proof, item: Group, live: set[int]) -> PlanRow:
    roots = item.roots.tolist()
    reasons = [proof.graph.protected.get(root) for root in roots]
    is_live = any(id(step) in live for step in item.writers)
    stays = Counter(proof.stuck[r] for r in roots if r in proof.stuck)
    return PlanRow(
        name=item.name,
        layers=item.layers,
        kept=int(proof.kept[item.roots].sum()) if is_live else 0,
        total=len(roots),
        stays=dict(stays) if is_live else {},
        protected=reasons[0] if all(reasons) else None,
        removed=not is_live,
    )
