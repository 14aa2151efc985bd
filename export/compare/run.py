"""The comparison from data to table."""

import dataclasses
from pathlib import Path
from typing import Any

from keras_diffmask import plots
from keras_diffmask.atomic import write_atomically
from keras_diffmask.export.compare.methods import Method
from keras_diffmask.export.compare.report import Report, Row, row_of
from keras_diffmask.export.compare.settings import Settings
from keras_diffmask.export.compare.trial import Figures, run_trial
from keras_diffmask.export.demo import datasets
from keras_diffmask.export.demo.folder import results_folder
from keras_diffmask.export.demo.report import data_facts
from keras_diffmask.export.demo.reporter import Reporter, Silent
from keras_diffmask.export.machine import machine
from keras_diffmask.export.runs import Runs


def run(settings: Settings | None = None, reporter: Reporter | None = None) -> Report:
    """Trains the dense network and every method at every budget, per seed.

    All get the same data, epochs, batches and learning rates. A training whose
    figures lie in the folder already is not repeated, so that an interrupted
    comparison goes on where it was.

    Args:
        settings: what to do; by default all estimators on the digits at 30 %.
        reporter: shows the progress; by default nobody does.

    Returns:
        The `Report`. In the folder `settings.out` lie `report.json`, the
        picture `compare.png`, and the figures of each training under `runs`.

    Raises:
        DiffmaskError: the data, the budget or the folder cannot be used.

    Example:
        >>> from keras_diffmask.export.compare.table import render
        >>> print(render(run(Settings(quick=True, out="results"))))
    """
    settings = (settings or Settings()).resolved()
    reporter = reporter or Silent()
    folder = results_folder(settings.out)
    runs = Runs(folder / "runs")
    wanted: list[tuple[Method | None, float]] = [(None, 1.0)]
    wanted += [(m, share) for share in settings.budgets for m in settings.methods()]
    trials: dict[tuple[Method | None, float], list[Figures]] = {w: [] for w in wanted}
    for seed in range(settings.seeds):
        data = datasets.load_in_phase(
            reporter,
            f"seed {seed + 1} of {settings.seeds}: data",
            settings.dataset,
            settings.data_dir,
            "image",
            seed=seed,
            limit=settings.limit,
        )
        for method, share in wanted:
            figures = _once(runs, settings, data, method, share, seed, reporter)
            trials[method, share].append(figures)
    dense = trials[None, 1.0]
    rows = tuple(
        row_of(method.name if method else "dense", share, trials[method, share], dense)
        for method, share in wanted
    )
    return _written(settings, data, rows, folder)


def _once(
    runs: Runs,
    settings: Settings,
    data: datasets.Dataset,
    method: Method | None,
    share: float,
    seed: int,
    reporter: Reporter,
) -> Figures:
    """The figures of one training, from the folder if they are there."""
    recipe = settings.recipe()
    about = {
        "method": dataclasses.asdict(method) if method else "dense",
        "share": share,
        "seed": seed,
        "data": data_facts(data),
        "recipe": dataclasses.asdict(recipe),
    }
    name = method.name if method else "the dense network"
    label = f"seed {seed + 1} of {settings.seeds}: {name}"

    def train(unfinished: Path) -> dict[str, Any]:
        with reporter.phase(label, recipe.epochs) as advance:
            figures = run_trial(method, share, data, recipe, seed, advance)
        return dataclasses.asdict(figures)

    return Figures(**runs.once(about, train))


def _written(
    settings: Settings, data: datasets.Dataset, rows: tuple[Row, ...], folder: Path
) -> Report:
    """Writes picture and report."""
    points = [_point(row) for row in rows]
    picture = plots.tradeoff_figure(
        points[1:], points[0], folder / "compare.png", f"Estimators on {data.name}"
    )
    report = Report(
        settings=settings,
        data=data_facts(data),
        rows=rows,
        machine=machine(),
        files={"report": str(folder / "report.json"), "picture": str(picture)},
    )
    text = report.to_json() + "\n"
    write_atomically(folder / "report.json", lambda file: file.write_text(text))
    return report


def _point(row: Row) -> plots.Point:
    accuracy = row.accuracy
    return plots.Point(
        row.method, row.macs.mean, accuracy.mean, accuracy.low, accuracy.high
    )
