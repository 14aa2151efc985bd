"""What every command that trains has in common: arguments, start and end."""

import argparse
from collections.abc import Iterable
from typing import Any

from keras_diffmask.export.cli.console import Console
from keras_diffmask.export.cli.files import start_keras
from keras_diffmask.export.cli.numbers import at_least


def add_training_arguments(
    parser: argparse.ArgumentParser,
    *,
    folder: str,
    out: str,
    holds: str,
    quick: str,
    seeds: int | None = 3,
    epochs: int | None = None,
) -> None:
    """Declares `--data-dir`, `--epochs`, `--seeds`, `--out` and `--quick`.

    Args:
        parser: the command's parser.
        folder: what the folder of `--data-dir` is.
        out: default of `--out`.
        holds: what that folder is for.
        quick: what `--quick` is.
        seeds: default of `--seeds`; None where the command knows it later.
        epochs: default of `--epochs`; None where the data set decides.
    """
    parser.add_argument("--data-dir", metavar="DIR", help=folder)
    parser.add_argument(
        "--epochs", type=at_least(1), default=epochs,
        help=f"epochs of each network; default: {epochs or 'the recipe of the data'}",
    )  # fmt: skip
    parser.add_argument(
        "--seeds", type=at_least(1), default=seeds,
        help="how many times to train everything; "
        f"default: {seeds or 'as many as the committed tables have'}",
    )  # fmt: skip
    parser.add_argument(
        "--out", default=out, metavar="DIR", help=f"folder for {holds}; default: {out}"
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"{quick}: only to see that it works"
    )


def start(console: Console) -> None:
    """Starts Keras, and says so where that takes long."""
    with console.phase("starting Keras") as advance:
        start_keras()
        advance("")


def show(console: Console, report: Any, text: str, written: Iterable[str]) -> None:
    """Prints what a training came to.

    Args:
        console: where to.
        report: with a `to_dict`, for `--json`.
        text: what is shown otherwise.
        written: the files that hold it.
    """
    files = "\n".join(f"  {path}" for path in written)
    console.result(report.to_dict(), lambda: f"{text}\n\nwritten:\n{files}")
