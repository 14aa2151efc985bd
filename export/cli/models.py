"""`summary`, `plan`, `strip` and `pack`: commands on one `.keras` file."""

import argparse
import types
from collections.abc import Callable

from keras_diffmask.export.cli.console import Console
from keras_diffmask.export.cli.files import add_force, check_output, read_model


def _model_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="a .keras file, masked or not")
    parser.add_argument(
        "--unsafe",
        action="store_true",
        help="also run Python code that the file carries (Lambda layers)",
    )


def _strip_arguments(parser: argparse.ArgumentParser) -> None:
    _model_argument(parser)
    parser.add_argument(
        "-o", "--output", required=True, help="the .keras file to write"
    )
    add_force(parser)


def _summary(arguments: argparse.Namespace, console: Console) -> None:
    model = read_model(arguments.model, arguments.unsafe, console)
    from keras_diffmask.summary import summary

    with console.phase("counting") as advance:
        result = summary(model, verbose=False)
        advance("")
    console.result(result.to_dict(), result.__str__)


def _plan(arguments: argparse.Namespace, console: Console) -> None:
    model = read_model(arguments.model, arguments.unsafe, console)
    from keras_diffmask.export.surgery import plan

    with console.phase("planning") as advance:
        result = plan(model)
        advance("")
    console.result(result.to_dict(), result.__str__)


def _strip(arguments: argparse.Namespace, console: Console) -> None:
    output = check_output(
        arguments.output, ".keras", arguments.model, force=arguments.force
    )
    model = read_model(arguments.model, arguments.unsafe, console)
    from keras_diffmask.export.model_io import save_model
    from keras_diffmask.export.surgery import plan, strip

    with console.phase("stripping", 2) as advance:
        result = plan(model)
        advance("planned")
        save_model(strip(model), output)
        advance("written")
    console.result(
        {"output": str(output), **result.to_dict()},
        lambda: f"{result}\nwritten: {output}",
    )


def _pack_arguments(parser: argparse.ArgumentParser) -> None:
    _model_argument(parser)
    parser.add_argument(
        "-o", "--output", required=True, help="the .packed file to write"
    )
    add_force(parser)


def _pack(arguments: argparse.Namespace, console: Console) -> None:
    output = check_output(
        arguments.output, ".packed", arguments.model, force=arguments.force
    )
    model = read_model(arguments.model, arguments.unsafe, console)
    from keras_diffmask.export.packing import pack

    with console.phase("packing", 2) as advance:
        packed = pack(model)
        advance("packed")
        packed.save(output)
        advance("written")
    console.result(
        {"output": str(output), **packed.to_dict()},
        lambda: f"{packed}\nwritten: {output}",
    )


def _command(
    name: str,
    text: str,
    example: str,
    add_arguments: Callable[[argparse.ArgumentParser], None],
    run: Callable[[argparse.Namespace, Console], None],
) -> types.SimpleNamespace:
    return types.SimpleNamespace(
        NAME=name, HELP=text, EXAMPLE=example, add_arguments=add_arguments, run=run
    )


SUMMARY = _command(
    "summary",
    "What a masked model keeps, layer by layer: units, parameters, MACs, bytes.",
    "keras-diffmask summary masked.keras",
    _model_argument,
    _summary,
)
PLAN = _command(
    "plan",
    "What a strip would remove, what would stay, and why.",
    "keras-diffmask plan masked.keras",
    _model_argument,
    _plan,
)
STRIP = _command(
    "strip",
    "Write the smaller model of stock Keras layers.",
    "keras-diffmask strip masked.keras -o slim.keras",
    _strip_arguments,
    _strip,
)
PACK = _command(
    "pack",
    "Write weights that keep k of n per row as values and indices, for kernels or "
    "memory banks of your own.",
    "keras-diffmask pack masked.keras -o masked.packed",
    _pack_arguments,
    _pack,
)
