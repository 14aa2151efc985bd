"""A verification as a table to read."""

from typing import TYPE_CHECKING

from keras_diffmask.export.columns import columns

if TYPE_CHECKING:
    from keras_diffmask.export.verification.records import Verification


#: Share of the examples; a few lie within a step of each other in a sound file as well.
_MANY_TIES = 0.05


def render(found: "Verification") -> str:
    """Lays a verification out as lines of text."""
    steps = ", ".join("float" if s is None else f"{s:.4g}" for s in found.lsb)
    head = f"{found.name} ({found.quantization}), {found.samples:,} examples"
    lines = [f"{head}; one LSB of the output is {steps}", "", *_pairs(found)]
    if found.layers is not None:
        lines += ["", *_layers(found)]
    return "\n".join([*lines, *found.notes, *remarks(found)])


def remarks(found: "Verification") -> list[str]:
    """What the columns would hide: classes that only tie, and values cut off.

    Args:
        found: the verification.
    """
    said = []
    for pair in found.pairs:
        same, tied = pair.argmax, pair.argmax_or_tie
        if same is not None and tied is not None and tied - same > _MANY_TIES:
            said.append(
                f"{pair.first}, {pair.second}: {tied - same:.0%} of the classes agree "
                "as ties alone, outputs less than one step apart. Such steps are too "
                "coarse for these outputs: look at the calibration data."
            )
    scale = max((step for step in found.lsb if step is not None), default=None)
    if scale is not None and any(
        pair.max_lsb is not None and pair.max_error > (pair.max_lsb + 1) * scale
        for pair in found.pairs
    ):
        said.append(
            "LSB columns compare integers: an output beyond the file's range counts as "
            "the end of that range, errors count in full."
        )
    return said


def _pairs(found: "Verification") -> list[str]:
    rows: list[tuple[str, ...]] = [
        ("", "max error", "rms error", "same class", "or a tie", "max LSB")
        + ("equal", "within 1", "within 2")
    ]
    for pair in found.pairs:
        shares = (pair.exact, pair.within_1, pair.within_2)
        rows.append(
            (
                f"{pair.first}, {pair.second}",
                f"{pair.max_error:.3g}",
                f"{pair.rms_error:.3g}",
                *map(_share, (pair.argmax, pair.argmax_or_tie)),
                "" if pair.max_lsb is None else f"{pair.max_lsb}",
                *map(_share, shares),
            )
        )
    return columns(rows, (0,))


def _layers(found: "Verification") -> list[str]:
    rows = [("layer", "operator", "error / output, rms", "of which its own steps")]
    for layer in found.layers or ():
        own = "" if layer.resolution is None else f"{layer.resolution:.3%}"
        rows.append((layer.layer, layer.op, f"{layer.relative_error:.3%}", own))
    if not found.layers:
        return ["No operator's output belongs to a layer for certain."]
    lines = columns(rows, (0, 1))
    if found.unmatched:
        lines.append(
            f"{found.unmatched} more operators' outputs belong to no layer for certain."
        )
    return lines


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"
