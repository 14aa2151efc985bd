"""Law 3 on one model of `keras.applications`: every check, and its figures."""

import time
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import keras_diffmask as kd
from keras_diffmask import export
from tests.applications.models import CALIBRATION, MODELS, Application, draw, enliven
from tests.laws.alive import array, distance, early_swap, run, scale

EXACT, VARIES = 1e-9, 0.05
OWN = ("it is an input of the model", "it is an output of the model")

Row = dict[str, Any]


class Bench:
    """One application, masked, in float32 and float64, for any decision."""

    def __init__(self, name: str) -> None:
        self.name, self.app = name, MODELS[name]
        self.x = self.app.inputs()
        # Layers that Keras numbers get the same names in every process.
        keras.utils.clear_session(free_memory=False)
        keras.utils.set_random_seed(1)
        self.model = draw(self.app.make())
        self.masked, self.mask_s = timed(kd.mask_model, self.model)
        self.wide = kd.mask_model(twin(self.app, self.model))
        self.boost = 1.0

    def row(self, closed: float) -> Row:
        """Close that share of every gate at random, strip, and look."""
        self._decide(closed)
        plan, plan_s = timed(export.plan, self.masked)
        slim, strip_s = timed(export.strip, self.masked)
        wide, exact = run(self.wide, self.x), export.strip(self.wide)
        expected = run(self.masked, self.x)
        own = distance(wide, expected)
        tolerance = max(1e-5, 4 * own)
        figures: Row = {
            "float32": distance(expected, run(slim, self.x)),
            "tolerance": tolerance,
            "float64": distance(wide, run(exact, self.x)),
            "varies": float(np.std(expected[0], axis=0).max() / scale(expected)),
            "swap": early_swap(slim, self.x),
        }
        failures = function_failures(figures)
        failures += count_failures(self.masked, slim, plan)
        if plan.parameters != (self.model.count_params(), slim.count_params()):
            failures.append("the plan's parameters are not the models' own")
        row = self._row(closed, plan, slim, figures)
        row["seconds"] = {"mask": self.mask_s, "plan": plan_s, "strip": strip_s}
        row["failures"] = failures + share_failures(self.app, row)
        return row

    def _decide(self, closed: float) -> None:
        """Close the same units in both precisions; both stay alive, and alike."""
        decide(self.masked, self.name, closed)
        boost = (1 - closed) ** -0.5
        calibration = self.app.inputs(CALIBRATION, seed=9)
        enliven(self.masked, calibration, boost / self.boost)
        self.boost = boost
        copy_weights(self.masked, self.wide)

    def _row(self, closed: float, plan: Any, slim: Any, figures: Row) -> Row:
        names = {layer.name: type(layer).__name__ for layer in self.masked.layers}
        return {
            "model": self.name,
            "closed": closed,
            "size": self.app.size,
            "gates": len(kd.gates(self.masked)),
            "macs": list(plan.macs),
            "lost": 1 - plan.macs[1] / plan.macs[0],
            "parameters": list(plan.parameters),
            **figures,
            "stays": _reasons((row.stays.items() for row in plan.rows), names),
            "barriers": _reasons(
                (
                    [(row.protected, row.total)]
                    for row in plan.rows
                    if row.protected and row.protected not in OWN
                ),
                names,
            ),
        }


def timed(function: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    start = time.perf_counter()
    return function(*arguments), time.perf_counter() - start


def twin(app: Application, model: keras.Model) -> keras.Model:
    """The same model in float64."""
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("float64")
        wide = app.make()
    finally:
        keras.config.set_dtype_policy(policy)
    copy_weights(model, wide)
    return wide


def copy_weights(model: keras.Model, other: keras.Model) -> None:
    """Into a model of the same shape and another precision; gates included."""
    for source, target in zip(model.variables, other.variables, strict=True):
        if source.dtype != "uint32":  # the state of a random generator
            target.assign(array(source).astype(target.dtype))


def decide(masked: keras.Model, name: str, closed: float) -> None:
    """Close a share of every gate, by exact count.

    Which units is drawn from the gate's name, so that a row stays the same
    draw when the graph puts its gates in another order.
    """
    for gate in kd.gates(masked):
        stem = gate.name.removesuffix("_gate")
        rng = np.random.default_rng(zlib.crc32(f"{name}/{stem}/{closed}".encode()))
        count = min(round(closed * gate.units), gate.units - 1)
        keep = rng.permutation(np.arange(gate.units) >= count)
        gate.set_keep(keep.reshape(gate.mask_shape))


def function_failures(figures: Row) -> list[str]:
    """What is wrong with the function, or with the model as a witness of it."""
    tolerance = figures["tolerance"]
    wrong = {
        "dead: the output hardly varies": figures["varies"] < VARIES,
        "dead: two early channels are alike": figures["swap"] <= 100 * tolerance,
        f"float32 beyond {tolerance:.1e}": not figures["float32"] <= tolerance,
        f"float64 beyond {EXACT:.0e}": not figures["float64"] <= EXACT,
    }
    return [sentence for sentence, is_wrong in wrong.items() if is_wrong]


def count_failures(masked: keras.Model, slim: keras.Model, plan: Any) -> list[str]:
    """Every closed unit is gone, or its row says why it stays."""
    failures = []
    rows = Counter(row.name for row in plan.rows)
    by_name = {row.name: row for row in plan.rows}
    for gate in kd.gates(masked):
        name = gate.name.removesuffix("_gate")
        if rows[name] != 1:
            failures.append(f"{rows[name]} rows of the plan are called {name}")
            continue
        row, kept = by_name[name], int(gate.keep.sum())
        wanted = kept + sum(row.stays.values())
        if (row.total, row.kept) != (gate.units, wanted) or row.protected:
            failures.append(
                f"{name}: {kept} of {gate.units} are open and {row.stays} stay, the "
                f"plan keeps {row.kept} of {row.total} ({row.protected})"
            )
    failures += _width_failures(plan, masked, slim)
    strangers = {
        type(layer).__module__
        for layer in [*slim._flatten_layers(include_self=False), *slim.operations]
        if not type(layer).__module__.startswith("keras.src.")
    }
    return failures + [f"{module} in the stripped model" for module in strangers]


def _width_failures(plan: Any, masked: keras.Model, slim: keras.Model) -> list[str]:
    """The layers themselves are as wide as the plan says."""
    kept, total = Counter[str](), Counter[str]()
    # A layer in front of a split writes several groups.
    for row in plan.rows:
        for name in set(row.layers):
            kept[name] += row.kept
            total[name] += row.total
    failures = []
    left = {layer.name: layer for layer in slim.layers}
    for name in kept:
        before = _width(masked.get_layer(name)) if name in left else None
        if before is None:
            continue
        after = _width(left[name])
        # It may also write a part of a group: behind a Concatenate, say.
        if after > kept[name] or (before == total[name] and after != kept[name]):
            failures.append(f"{name} has {after} units, the plan keeps {kept[name]}")
    return failures


def _width(layer: Any) -> int | None:
    config = layer.get_config()
    return config.get("units", config.get("filters"))


def share_failures(app: Application, row: Row) -> list[str]:
    """At half of the units closed, some models have to lose most of their MACs."""
    if app.must_lose is None or row["closed"] != 0.5 or row["lost"] >= app.must_lose:
        return []
    reasons = [*row["stays"], *row["barriers"]]
    if app.held_by is not None and any(app.held_by in reason for reason in reasons):
        return []
    return [f"loses {row['lost']:.1%} of its MACs, not {app.must_lose:.0%}"]


def _reasons(pairs: Any, names: dict[str, str]) -> dict[str, int]:
    """Reason -> units, with the class of each layer for its name."""
    found: Counter[str] = Counter()
    for group in pairs:
        for reason, count in group:
            words = [names.get(w, w) for w in reason.split("; to add")[0].split()]
            found[" ".join(words)] += count
    return dict(found)
