"""`report`: models side by side on one page."""

import argparse
import shlex
from pathlib import Path
from typing import Any

from keras_diffmask import targets
from keras_diffmask.errors import ArtifactError, InvalidArgumentError
from keras_diffmask.export.cli.console import Console
from keras_diffmask.export.cli.files import add_force, named_by_stem
from keras_diffmask.export.cli.numbers import at_least

NAME = "report"
HELP = (
    "Put .tflite files side by side on one page that can be shown: ratios, latency "
    "with its spread, size, arena, what was kept and why. .html, .md or .json."
)
EXAMPLE = (
    "keras-diffmask report dense.tflite slim.tflite -o report.html\n"
    "  keras-diffmask plan masked.keras --json > plan.json\n"
    "  keras-diffmask benchmark dense.tflite slim.tflite --per-op -o benchmark.json\n"
    "  keras-diffmask report dense.tflite slim.tflite --benchmark benchmark.json "
    "--plan plan.json -o page.html"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument(
        "files", nargs="+", help=".tflite files; the first is the base of the ratios"
    )
    parser.add_argument(
        "-o", "--output", required=True, help="the .html, .md or .json file to write"
    )
    parser.add_argument(
        "--benchmark", action="append", default=[], metavar="JSON",
        help="what `benchmark ... -o` wrote of these files; once per device",
    )  # fmt: skip
    parser.add_argument(
        "--plan", action="append", default=[], metavar="JSON",
        help="what `plan masked.keras --json` or `summary ... --json` printed",
    )  # fmt: skip
    parser.add_argument(
        "--accuracy", action="append", default=[], metavar="NAME=SHARE", type=_score,
        help="accuracy of a file, by its name without .tflite, 0 to 1; once per seed",
    )  # fmt: skip
    parser.add_argument(
        "--history", metavar="JSON", help="fit(...).history of a model with a budget"
    )
    parser.add_argument(
        "--steps-per-epoch", type=at_least(1), metavar="N", help="of that history"
    )
    parser.add_argument("--front", metavar="DIR", help="the folder of a ParetoFront")
    parser.add_argument(
        "--target",
        help=f"judge the files for one device: {', '.join(targets.ALL_OBJECTS)}; "
        "default: for all",
    )
    parser.add_argument("--title", help="the headline; default: the files' names")
    parser.add_argument(
        "--no-arena", action="store_true", help="do not ask TFLM for the arena"
    )
    add_force(parser)


def check(arguments: argparse.Namespace) -> None:
    """Refuses an unknown target, and accuracies of other files."""
    if arguments.target is not None:
        targets.get(arguments.target)
    names = named_by_stem(arguments.files)
    for name, _ in arguments.accuracy:
        if name not in names:
            raise InvalidArgumentError(
                f"--accuracy of one of the files ({', '.join(names)})",
                f"{name!r}",
                "Write the file's name without .tflite.",
            )


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Looks at every file, and writes the page."""
    _check_output(arguments)
    files = named_by_stem(arguments.files)
    with console.phase("looking at the files", len(files)) as advance:
        from keras_diffmask.export.reporting import report

        made = report(
            files,
            benchmark=arguments.benchmark,
            path=arguments.output,
            plan=arguments.plan,
            accuracy=_by_name(arguments.accuracy),
            front=arguments.front,
            history=arguments.history,
            steps_per_epoch=arguments.steps_per_epoch,
            target=arguments.target,
            title=arguments.title,
            arena=not arguments.no_arena,
            commands=[_typed(arguments)],
            force=arguments.force,
            progress=advance,
        )
    text = "\n".join([*made.headline, f"written: {arguments.output}"])
    console.result({"output": arguments.output, **made.to_dict()}, lambda: text)


def _check_output(arguments: argparse.Namespace) -> None:
    inputs = [*arguments.files, *arguments.benchmark, *arguments.plan]
    inputs += filter(None, [arguments.history])
    output = Path(arguments.output)
    if any(output.resolve() == Path(given).resolve() for given in inputs):
        raise ArtifactError(
            "an output other than the input",
            f"{arguments.output!r} for both",
            "Rename it.",
        )


def _score(word: str) -> tuple[str, float]:
    # A name may hold a "=", a number not.
    name, mark, number = word.rpartition("=")
    try:
        share = float(number)
    except ValueError:
        share = -1.0
    if not mark or not name or not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(
            f"Expected NAME=SHARE with a share from 0 to 1; received {word!r}. Write "
            "for example dense=0.912."
        )
    return name, share


def _by_name(scores: list[tuple[str, float]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, share in scores:
        found.setdefault(name, []).append(share)
    return found


def _typed(arguments: argparse.Namespace) -> str:
    """The command again, quoted for a shell."""
    words = ["keras-diffmask", NAME, *arguments.files]
    for option in ("benchmark", "plan"):
        for value in getattr(arguments, option):
            words += [f"--{option}", value]
    for name, share in arguments.accuracy:
        words += ["--accuracy", f"{name}={share:g}"]
    for option in ("history", "steps_per_epoch", "front", "target", "title"):
        value = getattr(arguments, option)
        if value is not None:
            words += [f"--{option.replace('_', '-')}", str(value)]
    words += ["--no-arena"] * arguments.no_arena + ["--force"] * arguments.force
    return shlex.join([*words, "-o", arguments.output])
