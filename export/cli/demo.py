"""`demo`: everything, on real data."""

import argparse

from keras_diffmask.export.cli.console import Console
from keras_diffmask.export.cli.files import check_dataset
from keras_diffmask.export.cli.numbers import share
from keras_diffmask.export.cli.training_arguments import (
    add_training_arguments,
    show,
    start,
)

NAME = "demo"
HELP = (
    "Train, prune with masks, strip, convert to int8 and measure, on real data, "
    "and print one table."
)
EXAMPLE = (
    "keras-diffmask demo\n"
    "  keras-diffmask demo --data-dir data/fashion_mnist --budget 0.3 --seeds 1\n"
    "  keras-diffmask demo --task sequence"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument(
        "--task", choices=("image", "sequence"), default="image",
        help="a CNN on images or LSTMs on sequences; default: %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--dataset", metavar="NAME",
        help="digits (inside scikit-learn, the default), fashion_mnist, cifar10, "
        "mnist, speech_commands or uci_har; without --data-dir, images are downloaded",
    )  # fmt: skip
    parser.add_argument(
        "--budget", type=share, default=0.2,
        help="MACs of the pruned network as a fraction of the dense one's; "
        "default: %(default)s",
    )  # fmt: skip
    add_training_arguments(
        parser,
        folder="folder with the files of a data set",
        out="demo-results",
        holds="the .tflite files, report.html, report.json and kept.png",
        quick="one seed, 3 epochs, 200 examples",
    )


def check(arguments: argparse.Namespace) -> None:
    """Refuses what makes no sense whatever the data is."""
    check_dataset(arguments.dataset)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Runs the demo and prints its table."""
    start(console)
    from keras_diffmask.export.demo.run import run as run_demo
    from keras_diffmask.export.demo.settings import Settings
    from keras_diffmask.export.demo.table import render

    settings = Settings(
        task=arguments.task,
        dataset=arguments.dataset,
        data_dir=arguments.data_dir,
        budget=arguments.budget,
        epochs=arguments.epochs,
        seeds=arguments.seeds,
        out=arguments.out,
        quick=arguments.quick,
    )
    report = run_demo(settings, console)
    show(console, report, render(report), report.files.values())
