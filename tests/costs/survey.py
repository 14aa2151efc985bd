"""Predicted against exported: `python -m tests.costs.survey`.

Ten models drawn with a fixed seed, each stripped after a random decision. The
dense one is converted to calibrate the costs, the stripped one to compare.
"""

import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_diffmask import export
from keras_diffmask.costs import Gating, Measured, device_cost
from keras_diffmask.errors import ConversionError
from keras_diffmask.export.arena import tflm_arena_bytes
from keras_diffmask.graph import trace
from tests.costs.drawn import KINDS, draw

RESULTS = Path(__file__).with_name("results.json")
SEED = 20261122


def _converted(model: keras.Model) -> Measured:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, *model.input_shape[1:])).astype("float32")
    artifact = export.to_tflite(model, "int8", calibration=x, target="cortex-m")
    return Measured(len(artifact.content), tflm_arena_bytes(artifact.content))


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


def _drawn(index: int, seed: int) -> tuple[str, Any, Any, Measured, Measured]:
    """A model that LiteRT takes, which the arena of the exporter's check asks for.

    With random statistics an ADD's scales may be too far apart for XNNPACK.
    """
    for attempt in range(5):
        kind, dense, slim = draw(index, seed + 100 * attempt)
        try:
            return kind, dense, slim, _converted(dense), _converted(slim)
        except ConversionError as error:
            print(f"{kind}: drawn again, since {error.received[:90]}", flush=True)
    raise RuntimeError(f"no {kind} that converts in five draws")


def run(seed: int = SEED) -> list[dict[str, Any]]:
    """One row per model."""
    rows = []
    for index in range(len(KINDS)):
        kind, dense, slim, before, after = _drawn(index, seed)
        counted = _counted(slim, dense, before)
        row: dict[str, Any] = {"model": kind, "operators": len(trace(slim).steps)}
        for name in ("flash", "ram"):
            sizes = {
                "dense": getattr(before, name),
                "exported": getattr(after, name),
            }
            row[name] = sizes | counted[name]
        rows.append(row)
        print(line(row), flush=True)
    return rows


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
    return f"{row['model']:16} {'  '.join(cells)}"


def main() -> int:
    print(
        f"{'':16} {'flash: file, predicted (uncalibrated)':36}  ram: arena, predicted"
    )
    rows = run()
    worst = {n: max(abs(error(row, n)) for row in rows) for n in ("flash", "ram")}
    print(f"largest error: flash {worst['flash']:.1%}, ram {worst['ram']:.1%}")
    RESULTS.write_text(json.dumps({"seed": SEED, "models": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
