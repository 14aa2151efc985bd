"""The arguments that every command that trains has in common."""

import argparse


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
        "--epochs", type=int, default=epochs,
        help=f"epochs of each network; default: {epochs or 'the recipe of the data'}",
    )  # fmt: skip
    parser.add_argument(
        "--seeds", type=int, default=seeds,
        help="how many times to train everything; "
        f"default: {seeds or 'as many as the README shows'}",
    )  # fmt: skip
    parser.add_argument(
        "--out", default=out, metavar="DIR", help=f"folder for {holds}; default: {out}"
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"{quick}: only to see that it works"
    )
