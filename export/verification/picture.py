"""A verification as a picture."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from keras_diffmask.plots import agreement_figure

if TYPE_CHECKING:
    from keras_diffmask.export.verification.records import Pair, Verification


def draw(found: "Verification", path: str | os.PathLike) -> Path:
    """Draws the pairs and, where there are any, the layers; see `Verification.plot`."""
    layers = [
        (layer.layer, layer.relative_error, layer.resolution)
        for layer in found.layers or ()
    ]
    title = f"{found.name} ({found.quantization}), {found.samples:,} examples"
    return agreement_figure([_row(pair) for pair in found.pairs], layers, path, title)


def _row(pair: "Pair") -> tuple[str, tuple[float, float, float] | None, str]:
    shares = None
    if pair.exact is not None:
        shares = (pair.exact, pair.within_1 or 0.0, pair.within_2 or 0.0)
    remark = f"rms {pair.rms_error:.2g}"
    if pair.argmax_or_tie is not None:
        remark += f", same class {100 * pair.argmax_or_tie:.4g} %"
    return f"{pair.first}, {pair.second}", shares, remark
