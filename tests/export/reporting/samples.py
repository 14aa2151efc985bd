"""Reports made of invented figures, to be written without any model."""

import dataclasses
import random

from keras_diffmask.export.reporting import Report
from keras_diffmask.export.reporting.network_records import (
    Front,
    FrontPoint,
    Kept,
    KeptRow,
    Search,
    SearchCost,
)
from keras_diffmask.export.reporting.records import (
    Fit,
    ModelFacts,
    OpCost,
    Quotient,
    Times,
    Timing,
)

#: Names that would be markup, code or a shell's words where nobody escapes them.
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</title><script>alert(1)</script>",
    "\"'><svg/onload=alert(1)>&amp;",
    "a|b `c` *d* _e_ [f](javascript:alert(1)) ~g~ # h",
    "$(touch gone); rm -rf \"x\" && `id` | cat 'y'",
    "\u202eevil\u0007\nline two\ttab \ud800",
    "]]>--><!-- comment <style>body{display:none}</style>",
)


def facts(name: str, scale: float = 1.0, **more: object) -> ModelFacts:
    """A model whose every cost is `scale` of a made-up one."""
    known = {
        "bytes": round(65_800 * scale),
        "sha256": "ab" * 32,
        "quantization": "int8",
        "target": "cortex-m",
        "inputs": ("'image' (1, 8, 8, 1) int8",),
        "outputs": ("'output_0' (1, 10) int8",),
        "ops": (("CONV_2D", 6), ("ADD", 2)),
        "macs": round(859_024 * scale),
        "arena_bytes": round(8_048 * scale),
        "scores": (0.9911, 0.9941, 0.9978),
        "difference": 0.0123,
        "fits": (Fit("host"), Fit("ethos-u55", "no kernel for GELU")),
        "notes": ("Reset the state before every sequence.",),
        "path": f"models/{name}.tflite",
    }
    return ModelFacts(name=name, **{**known, **more})


def times(name: str, median: float, seed: int, ops: int = 6, **more: object) -> Times:
    """Times with some noise, and operations."""
    noise = random.Random(seed)
    rounds = tuple(median * noise.uniform(0.97, 1.08) for _ in range(40))
    costs = [median / ops * noise.uniform(0.5, 1.6) for _ in range(ops)]
    known = {
        "bytes": None,
        "median": median,
        "p5": 0.97 * median,
        "p95": 1.08 * median,
        "minimum": 0.96 * median,
        "mean": 1.01 * median,
        "init": 300.0,
        "runs": 4000,
        "rounds": rounds,
        "ops": tuple(
            OpCost(k, "CONV_2D" if k % 3 else "ADD", f"net/block{k}_conv/relu", us)
            for k, us in enumerate(costs)
        ),
        "ops_sum": sum(costs),
        "ops_whole": 0.96 * sum(costs),
    }
    return Times(name=name, **{**known, **more})


def ratio(above: Times, below: Times) -> Quotient:
    """As the median and the outermost of the rounds have it."""
    each = sorted(a / b for a, b in zip(above.rounds, below.rounds, strict=True))
    middle = each[len(each) // 2]
    return Quotient(above.name, below.name, middle, each[1], each[-2], len(each))


def timing(names: tuple[str, ...], label: str, base: float, seed: int) -> Timing:
    """Each model takes less than half of the one before."""
    models = [
        times(name, base * 0.45**k, seed + k, ops=6 - k) for k, name in enumerate(names)
    ]
    return Timing(
        device="host",
        label=label,
        threads=1,
        created="2026-11-29T21:32:11+00:00",
        facts=(("cpu", label), ("system", "Linux")),
        models=tuple(models),
        ratios=tuple(ratio(one, models[0]) for one in models[1:]),
    )


def full(names: tuple[str, ...] = ("dense", "pruned"), word: str = "conv") -> Report:
    """A report with every part that there is.

    Args:
        names: of the models.
        word: stands in every other place that holds text from elsewhere.
    """
    phone = timing(names, f"{word} phone", 21_000.0, 7)
    return Report(
        title=" and ".join(names),
        created="2026-11-29T21:40:00+00:00",
        models=tuple(facts(n, 0.4**k, notes=(word,)) for k, n in enumerate(names)),
        timings=(
            timing(names, word, 86.0, 1),
            dataclasses.replace(
                phone, device="android:1", remarks=(word,), commands=(f"adb {word}",)
            ),
        ),
        kept=(
            Kept(
                label=word,
                rows=(
                    KeptRow(word, 16, 24),
                    KeptRow(
                        f"{word} (+2 tied)", 5, 40, (f"3 closed, and kept: {word}",)
                    ),
                    KeptRow("head", 10, 10, ("it is an output of the model",)),
                    KeptRow("gone", 0, 8, ("the whole branch goes",), removed=True),
                ),
                macs=(859_024, 170_676),
                parameters=(54_322, 10_818),
                branches=(f"add: {word}",),
            ),
        ),
        front=Front(
            "macs",
            "accuracy",
            tuple(FrontPoint(f"macs={c} {word}", c, 0.9 + c / 10) for c in (0.15, 0.5)),
        ),
        search=Search(
            (
                SearchCost("macs", (0.9, 0.6, 0.35, 0.3), (0.85, 0.6, 0.3, 0.3)),
                SearchCost(word, (0.95, 0.7, 0.5, 0.45), (0.9, 0.7, 0.5, 0.5)),
            ),
            met=(False, False, True, True),
            steps_per_epoch=21,
        ),
        versions=(("keras_diffmask", "0.1"), ("keras", word)),
        commands=(f"keras-diffmask report {word}",),
    )


def hostile() -> Report:
    """Hostile text wherever text can stand."""
    made = full(HOSTILE[:4], " ".join(HOSTILE))
    models = tuple(
        dataclasses.replace(
            one, path=f"my models/{HOSTILE[4]}.tflite", ops=((HOSTILE[0], 1),)
        )
        for one in made.models
    )
    return dataclasses.replace(made, title=HOSTILE[1], models=models)
