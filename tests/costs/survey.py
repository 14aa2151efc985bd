"""Predicted against exported: `python -m tests.costs.survey [models | sequences]`.

Models drawn with a fixed seed, each stripped after a random decision. The dense
one is converted to calibrate the costs, the stripped one to compare. Of the two
parts one is run, and takes its place in the results; or of one part a kind is
drawn again: `python -m tests.costs.survey sequences transformer 20261123`.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import export, targets
from keras_diffmask.costs import Gating, Measured, device_cost
from keras_diffmask.errors import ConversionError
from keras_diffmask.export.arena import tflm_arena_bytes
from keras_diffmask.graph import trace
from tests.costs import drawn, sequences

RESULTS = Path(__file__).with_name("results.json")
SEED = 20261122
#: Each drawn after the formulas for its layers were committed.
PARTS = {"models": drawn.KINDS, "sequences": sequences.KINDS}


#: The exporter refuses them, for an operator that the converter leaves in float.
REFUSED = ("transformer",)


def _converted(kind: str, model: keras.Model) -> Measured:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, *model.input_shape[1:])).astype("float32")
    if kind in REFUSED:
        content = _unchecked(model, x)
    else:
        options: dict[str, Any] = {"calibration": x, "target": "cortex-m"}
        content = export.to_tflite(model, "int8", **options).content
    return Measured(len(content), tflm_arena_bytes(content))


def _unchecked(model: keras.Model, x: np.ndarray) -> bytes:
    """The converter's file as it is, without the exporter's checks."""
    from keras_diffmask.export.emit import tensorflow_side
    from tests import own_calibrator

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        prepared = tensorflow_side.prepare_model(keras.saving.load_model(path), [x])
    device = targets.get("cortex-m")
    with pytest.MonkeyPatch.context() as patch:
        own_calibrator.give(patch)
        return tensorflow_side.convert(prepared, "int8", [x], device).content


def _counted(slim: keras.Model, dense: keras.Model, found: Measured) -> dict[str, Any]:
    """Per cost: as calibrated by the dense model's file, and by none."""
    rows = {}
    for name in ("flash", "ram"):
        cost = device_cost(name, Gating.without_gates(trace(slim)))
        plain = cost.count([])
        fitted = device_cost(name, Gating.without_gates(trace(dense)), found)
        for field in ("scale", "offset"):
            if hasattr(cost, field):
                setattr(cost, field, getattr(fitted, field))
        rows[name] = {"calibrated": round(cost.count([])), "uncalibrated": round(plain)}
    return rows


def _drawn(
    part: str, index: int, seed: int
) -> tuple[str, Any, Any, Measured, Measured]:
    """A model that LiteRT takes, which the arena of the exporter's check asks for.

    With random statistics an ADD's scales may be too far apart for XNNPACK.
    """
    for attempt in range(5):
        kind, dense, slim = drawn.draw(index, seed + 100 * attempt, PARTS[part])
        try:
            before, after = _converted(kind, dense), _converted(kind, slim)
            return kind, dense, slim, before, after
        except ConversionError as error:
            print(f"{kind}: drawn again, since {error.received[:90]}", flush=True)
    raise RuntimeError(f"no {kind} that converts in five draws")


def run(part: str, seed: int = SEED) -> list[dict[str, Any]]:
    """One row per model."""
    return [measured(part, index, seed) for index in range(len(PARTS[part]))]


def measured(part: str, index: int, seed: int) -> dict[str, Any]:
    """The row of one model."""
    kind, dense, slim, before, after = _drawn(part, index, seed)
    counted = _counted(slim, dense, before)
    row: dict[str, Any] = {"model": kind, "operators": len(trace(slim).steps)}
    for name in ("flash", "ram"):
        sizes = {
            "dense": getattr(before, name),
            "exported": getattr(after, name),
        }
        row[name] = sizes | counted[name]
    print(line(row), flush=True)
    return row


def error(row: dict[str, Any], name: str, how: str = "calibrated") -> float:
    """Of a prediction, relative to what was exported."""
    return row[name][how] / row[name]["exported"] - 1


def line(row: dict[str, Any]) -> str:
    """A row of the table."""
    cells = [
        f"{row[name]['exported']:>8,} {row[name]['calibrated']:>8,} "
        f"{error(row, name):>+6.1%} ({error(row, name, 'uncalibrated'):>+6.1%})"
        for name in ("flash", "ram")
    ]
    return f"{row['model']:18} {'  '.join(cells)}"


def main() -> int:
    print(
        f"{'':18} {'flash: file, predicted (uncalibrated)':36}  ram: arena, predicted"
    )
    part, *again = sys.argv[1:] or ["models"]
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    if again:
        # One kind once more: what it replaces is kept, with its error.
        kind, seed = again[0], int(again[1])
        place = [row["model"] for row in found[part]].index(kind)
        found.setdefault("replaced", []).append(found[part][place])
        rows = [*found[part]]
        rows[place] = {**measured(part, place, seed), "seed": seed}
    else:
        rows = run(part)
    worst = {n: max(abs(error(row, n)) for row in rows) for n in ("flash", "ram")}
    print(f"largest error: flash {worst['flash']:.1%}, ram {worst['ram']:.1%}")
    RESULTS.write_text(json.dumps(found | {part: rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
