"""The language model, dense and gated, from text to table."""

import dataclasses
from pathlib import Path
from typing import Any

import keras

from keras_diffmask import plots
from keras_diffmask.export.demo.folder import results_folder
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.evidence.language import corpus as corpora
from keras_diffmask.export.evidence.language import latency as language_latency
from keras_diffmask.export.evidence.language import recipes as language_recipes
from keras_diffmask.export.evidence.language import table as language_table
from keras_diffmask.export.evidence.language.corpus import Corpus
from keras_diffmask.export.evidence.language.models import Widths
from keras_diffmask.export.evidence.language.recipes import Recipe
from keras_diffmask.export.evidence.language.table import Pair
from keras_diffmask.export.evidence.language.trial import run_trial
from keras_diffmask.export.evidence.report import Report, report_of
from keras_diffmask.export.evidence.settings import Settings
from keras_diffmask.export.machine import machine
from keras_diffmask.export.runs import Figures, Runs


def ptb(settings: Settings, reporter: Reporter) -> Report:
    """Trains the dense and the gated model, strips, scores and times them.

    Two trainings per seed, each of which goes on from its last epoch when it
    was stopped, and is found again by a later call.

    Args:
        settings: what to do; one seed by default.
        reporter: shows the progress.

    Returns:
        The `Report`. In the folder `settings.out` lie `ptb-<size>.json`, the
        picture `ptb-<size>.png`, the weights of the models, and the figures of
        each run under `runs`.

    Raises:
        DiffmaskError: the data or the folder cannot be used.
    """
    size = settings.size or "small"
    folder = results_folder(settings.out)
    runs = Runs(folder / "runs")
    corpus, recipe = _prepared(settings, size, reporter)
    name = f"ptb-{size}"
    pairs = []
    for seed in range(settings.seeds or 1):
        pair = {
            network: _once(runs, name, network, corpus, recipe, seed, folder, reporter)
            for network in ("dense", "gated")
        }
        latency = _latency(runs, pair, corpus, recipe, settings, reporter)
        pairs.append(Pair(seed, pair["dense"], pair["gated"], latency))
    return _report(name, settings, corpus, recipe, pairs, folder)


def _once(
    runs: Runs,
    name: str,
    network: str,
    corpus: Corpus,
    recipe: Recipe,
    seed: int,
    folder: Path,
    reporter: Reporter,
) -> Figures:
    """The figures of one training, from its file if they are there."""
    about = {
        "evidence": "ptb",
        "network": network,
        "seed": seed,
        "data": corpus.facts(),
        "recipe": _recipe_facts(recipe, network),
        "backend": keras.backend.backend(),
    }
    weights = folder / f"{name}-{network}-{seed}.weights.h5"

    def train(unfinished: Path) -> Figures:
        return run_trial(
            network == "gated", corpus, recipe, seed, unfinished, weights, reporter
        )

    return runs.once(about, train)


def _prepared(
    settings: Settings, size: str, reporter: Reporter
) -> tuple[Corpus, Recipe]:
    recipe = language_recipes.RECIPES[size]
    words = limit = None
    if settings.quick:
        recipe = language_recipes.QUICK
        words, limit = language_recipes.QUICK_WORDS, language_recipes.QUICK_TOKENS
    if settings.epochs is not None:
        recipe = recipe.within(settings.epochs)
    with reporter.phase("reading Penn Treebank") as advance:
        corpus = corpora.load(settings.data_dir, words, limit)
        advance(f"{len(corpus.train):,} words to train on")
    return corpus, recipe


def _recipe_facts(recipe: Recipe, network: str) -> dict[str, Any]:
    """The recipe, as far as it concerns a network: others' gates do not."""
    facts = dataclasses.asdict(recipe)
    if network == "dense":
        gates = ("gated_dropout", "penalty", "initial_keep", "logit_scale", "ramp")
        return {name: value for name, value in facts.items() if name not in gates}
    del facts["dropout"]
    return facts


def _latency(
    runs: Runs,
    pair: dict[str, Figures],
    corpus: Corpus,
    recipe: Recipe,
    settings: Settings,
    reporter: Reporter,
) -> Figures:
    widths = {
        name: Widths(trial["embedding"], tuple(trial["hidden"]), corpus.vocabulary)
        for name, trial in pair.items()
    }
    about = {
        "evidence": "ptb latency",
        "widths": {name: dataclasses.asdict(width) for name, width in widths.items()},
        "steps": recipe.steps,
        "engine": language_latency.engine(),
        "machine": dataclasses.asdict(machine()),
        "quick": settings.quick,
    }
    return runs.once(
        about,
        lambda _: language_latency.measure(
            widths, recipe.steps, settings.quick, reporter
        ),
    )


def _report(
    name: str,
    settings: Settings,
    corpus: Corpus,
    recipe: Recipe,
    pairs: list[Pair],
    folder: Path,
) -> Report:
    kept = [(layer, *count) for layer, count in pairs[0].gated["kept"].items()]
    title = f"Penn Treebank, LSTMs of {recipe.units}"
    picture = plots.kept_figure(kept, folder / f"{name}.png", title, "neurons")
    trained = [figures for pair in pairs for figures in (pair.dense, pair.gated)]
    report = report_of(
        name,
        settings,
        (
            f"{corpora.NAME}: {len(corpus.train):,} words to train on, "
            f"{len(corpus.valid):,} to choose settings, {len(corpus.test):,} to test; "
            f"vocabulary {corpus.vocabulary:,}.",
            f"Two LSTM layers of {recipe.units}, {recipe.epochs} epochs dense and "
            f"gated alike, seeds: {len(pairs)}; gates on input and hidden neurons, "
            f"lambda {recipe.penalty:g}.",
        ),
        [language_table.table(pairs, recipe.units)],
        language_table.notes(pairs),
        {
            "data": corpus.facts(),
            "recipe": dataclasses.asdict(recipe),
            "backend": keras.backend.backend(),
            "pairs": [dataclasses.asdict(pair) for pair in pairs],
        },
        [picture],
        sum(figures["seconds"] for figures in trained),
    )
    report.save(folder)
    return report
