"""The demo from data to table."""

import time
from pathlib import Path
from typing import Any, cast

from keras_diffmask import plots
from keras_diffmask.atomic import write_atomically
from keras_diffmask.export.benchmarking import BenchmarkResult, benchmark
from keras_diffmask.export.demo import datasets
from keras_diffmask.export.demo.page import write_page
from keras_diffmask.export.demo.recipes import recipe_for
from keras_diffmask.export.demo.report import (
    Report,
    data_facts,
    figures_of,
    kept_rows,
    rows_of,
)
from keras_diffmask.export.demo.reporter import Reporter, Silent
from keras_diffmask.export.demo.settings import Settings
from keras_diffmask.export.demo.trial import Trial, run_trial


def run(settings: Settings | None = None, reporter: Reporter | None = None) -> Report:
    """Trains, prunes, converts and measures, and writes what came out.

    Per seed: a dense network is trained; a masked one is trained from scratch
    under the budget and stripped; the widths it ended with are trained from
    scratch without masks. All three get the same epochs and schedule. Dense and
    pruned become float32 and int8 `.tflite` models, timed in one run.

    Args:
        settings: what to do; by default the digits at 20 % of the MACs.
        reporter: shows the progress; by default nobody does.

    Returns:
        The `Report`. In the folder `settings.out` lie, of the first seed, the
        `.tflite` files, the masked model (`masked.keras`, for the other
        commands) and the picture `kept.png`; and the figures
        of all seeds in `report.json` and, to be shown, in `report.html`.

    Raises:
        DiffmaskError: the data, the budget or the folder cannot be used.

    Example:
        >>> from keras_diffmask.export.demo.table import render
        >>> print(render(run(Settings(quick=True, out="results"))))
    """
    started = time.monotonic()
    settings = (settings or Settings()).resolved()
    reporter = reporter or Silent()
    folder = settings.folder()
    where = settings.dataset, settings.data_dir, settings.task
    trials: list[Trial] = []
    for seed in range(settings.seeds):
        label = f"seed {seed + 1} of {settings.seeds}"
        data = datasets.load_in_phase(
            reporter, f"{label}: data", *where, seed=seed, limit=settings.limit
        )
        recipe = recipe_for(settings.task, data.name, settings.epochs)
        masked_file = folder / "masked.keras" if seed == 0 else None
        trial = run_trial(
            settings.task,
            data,
            settings.budget,
            recipe,
            seed,
            label,
            reporter,
            masked_file,
        )
        trials.append(trial)
    times = _timed(trials, reporter)
    files = _written(folder, trials[0], data)
    with reporter.phase("writing the page") as advance:
        page = write_page(folder, trials, times, settings, data.name)
        advance(page.name)
    report = Report(
        settings=settings,
        recipe=recipe,
        data=data_facts(data),
        rows=rows_of(trials, times),
        trials=tuple(figures_of(trial) for trial in trials),
        benchmark=times,
        seconds=round(time.monotonic() - started, 1),
        files={**files, "page": str(page), "report": str(folder / "report.json")},
    )
    text = report.to_json() + "\n"
    write_atomically(folder / "report.json", lambda file: file.write_text(text))
    return report


def _timed(trials: list[Trial], reporter: Reporter) -> BenchmarkResult:
    """Times dense and pruned in turns, so that their ratios are fair."""
    models: dict[str, Any] = {}
    for kind in ("float32", "int8"):
        models[f"dense_{kind}"] = trials[0].files[f"dense_{kind}"]
        for trial in trials:
            models[f"pruned_{kind} {trial.seed}"] = trial.files[f"pruned_{kind}"]
    rounds = 20
    with reporter.phase("timing dense and pruned", rounds) as advance:
        result = benchmark(
            models,
            rounds=rounds,
            seconds=0.5,
            progress=lambda done, total: advance(f"round {done}"),
        )
    # Of this computer it is nothing else.
    return cast("BenchmarkResult", result)


def _written(folder: Path, trial: Trial, data: datasets.Dataset) -> dict[str, str]:
    """Writes everything but the report; returns name -> path."""
    files = {
        name: str(artifact.save(folder / f"{name}.tflite"))
        for name, artifact in trial.files.items()
    }
    picture = plots.kept_figure(
        kept_rows(trial), folder / "kept.png", f"What was kept: {data.name}"
    )
    masked = str(folder / "masked.keras")
    return {**files, "picture": str(picture), "masked": masked}
