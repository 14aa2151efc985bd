"""From the words after `keras-diffmask` to an exit status."""

import argparse
import contextlib
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from keras_diffmask.errors import DiffmaskError
from keras_diffmask.export.cli import (
    benchmark,
    compare,
    convert,
    demo,
    evidence,
    firmware,
    import_tfmot,
    models,
    report,
    vela,
    verify,
)
from keras_diffmask.export.cli.console import Console

COMMANDS = (
    demo,
    models.SUMMARY,
    models.PLAN,
    models.STRIP,
    models.PACK,
    convert,
    verify,
    firmware,
    vela,
    benchmark,
    report,
    compare,
    evidence,
    import_tfmot,
)
DESCRIPTION = """\
Pruning with differentiable masks for Keras 3, down to int8 on the device.

A masked model (keras_diffmask.mask_model) is looked at with `summary` and `plan`,
made smaller with `strip`, written for the device with `convert`, compared with its
Keras model by `verify`, packed for a microcontroller's project by `firmware`, timed
with `benchmark`, and put on one page by `report`.
`demo` does all of it on real data, `compare` trains every estimator side by side,
`evidence` measures what this library claims. `pack` writes rows of k of n weights
for kernels of your own, `import-tfmot` reads what tensorflow-model-optimization has
pruned.
"""


def parser() -> argparse.ArgumentParser:
    """The parser of every command. Building it imports neither Keras nor NumPy."""
    top = argparse.ArgumentParser(
        prog="keras-diffmask",
        description=DESCRIPTION,
        epilog="example: keras-diffmask demo",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="command")
    for command in COMMANDS:
        sub = commands.add_parser(
            command.NAME,
            help=command.HELP,
            description=command.HELP,
            epilog="\n\n".join(
                filter(
                    None,
                    [f"example:\n  {command.EXAMPLE}", getattr(command, "NOTES", "")],
                )
            ),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(sub)
        sub.add_argument(
            "--json", action="store_true", help="write JSON, and only that, to stdout"
        )
        sub.add_argument(
            "--traceback", action="store_true", help="on an error, show where it was"
        )
        sub.set_defaults(
            run=command.run, check=getattr(command, "check", lambda arguments: None)
        )
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: the words after the program's name; by default the shell's.

    Returns:
        0, or 1 after an error, which is one line on stderr; 2 where the words
        make no command.

    Example:
        >>> main(["plan", "masked.keras", "--json"])
        0
    """
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as error:  # argparse has said why
        return error.code if isinstance(error.code, int) else 2
    console = Console(json=arguments.json)
    try:
        arguments.check(arguments)
    except DiffmaskError as error:  # before Keras is started, which takes seconds
        console.error(str(error))
        return 2
    try:
        with _one_voice(console, arguments.traceback):
            arguments.run(arguments, console)
        console.flush()
        return 0
    except BrokenPipeError:
        # The reader left (`| head`). Python would complain once more at exit,
        # when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        console.error("Interrupted.")
        return 1
    except Exception as error:
        if arguments.traceback:
            traceback.print_exc()
        console.error(_sentence(error))
        return 1


def _sentence(error: Exception) -> str:
    if isinstance(error, DiffmaskError):
        return str(error)
    reason = str(error).strip() or "no message"
    return (
        f"Unforeseen {type(error).__name__}: {reason[:300]} "
        "(--traceback shows where; please report it)"
    )


@contextlib.contextmanager
def _one_voice(console: Console, everything: bool) -> Iterator[None]:
    """Warnings as one line each, and, but for `everything`, no other voice."""

    def show(message: Warning | str, *rest: Any, **more: Any) -> None:
        console.say(f"warning: {message}")

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    alone = contextlib.redirect_stdout(sys.stderr) if everything else console.alone()
    with warnings.catch_warnings(), alone:
        # Those of this library are for the user; the others for developers.
        warnings.simplefilter("ignore")
        warnings.filterwarnings(
            "default", category=UserWarning, module="keras_diffmask"
        )
        warnings.showwarning = show
        yield
