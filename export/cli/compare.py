"""`compare`: every estimator on the same network, data and budget."""

import argparse

from keras_diffmask.export.cli.console import Console
from keras_diffmask.export.cli.files import check_dataset
from keras_diffmask.export.cli.numbers import at_least, share
from keras_diffmask.export.cli.training_arguments import (
    add_training_arguments,
    show,
    start,
)

NAME = "compare"
HELP = (
    "Train the same small CNN with every estimator at the same budget, and print "
    "accuracy, what was kept, MACs and seconds side by side."
)
EXAMPLE = (
    "keras-diffmask compare --data-dir data/fashion_mnist\n"
    "  keras-diffmask compare --estimators hard_concrete top_k --macs 0.5 0.3 0.2\n"
    "  keras-diffmask compare --quick"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument(
        "--estimators", nargs="+", metavar="NAME",
        help="which; default: all there are",
    )  # fmt: skip
    parser.add_argument(
        "--macs", type=share, nargs="+", default=[0.3], metavar="SHARE",
        help="budgets, as fractions of the dense network's MACs; default: 0.3",
    )  # fmt: skip
    parser.add_argument(
        "--dataset", metavar="NAME",
        help="an image data set: digits (inside scikit-learn, the default), "
        "fashion_mnist, cifar10 or mnist; without --data-dir, it is downloaded",
    )  # fmt: skip
    parser.add_argument(
        "--limit",
        type=at_least(1),
        metavar="N",
        help="train on at most so many examples",
    )
    add_training_arguments(
        parser,
        folder="folder with the files of a data set",
        epochs=6,
        out="compare-results",
        holds="report.json, compare.png and the figures of each training, which a "
        "second run does not repeat",
        quick="one seed, 2 epochs, 200 examples",
    )


def check(arguments: argparse.Namespace) -> None:
    """Refuses what makes no sense whatever the data is."""
    check_dataset(arguments.dataset)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Runs the comparison and prints its table."""
    start(console)
    from keras_diffmask.export.compare.run import run as run_comparison
    from keras_diffmask.export.compare.settings import Settings
    from keras_diffmask.export.compare.table import render

    names = arguments.estimators
    settings = Settings(
        estimators=tuple(names) if names else None,
        budgets=tuple(arguments.macs),
        dataset=arguments.dataset,
        data_dir=arguments.data_dir,
        epochs=arguments.epochs,
        seeds=arguments.seeds,
        limit=arguments.limit,
        out=arguments.out,
        quick=arguments.quick,
    )
    report = run_comparison(settings, console)
    show(console, report, render(report), report.files.values())
