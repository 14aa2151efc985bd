"""`verify`: a `.tflite` file against its Keras model, on every runtime."""

import argparse

from keras_diffmask.export.cli.arrays import read_arrays
from keras_diffmask.export.cli.console import Console
from keras_diffmask.export.cli.files import add_force, check_output, read_model

NAME = "verify"
HELP = (
    "Compare a .tflite file with its Keras model on real inputs: LiteRT's plain and "
    "fast kernels, and TFLM's interpreter where it is installed."
)
EXAMPLE = "keras-diffmask verify slim.tflite slim.keras --data x.npy --per-layer"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("file", help="the .tflite file")
    parser.add_argument("model", help="the .keras file that it was converted from")
    parser.add_argument(
        "--data",
        required=True,
        metavar="X.NPY",
        help="inputs as the model was trained on, some hundreds. A .npy file, or a "
        ".npz with one array per input name",
    )
    parser.add_argument(
        "--simulation",
        metavar="MODEL",
        help="a .keras file whose plain call is the fake-quant simulation",
    )
    parser.add_argument(
        "--per-layer",
        action="store_true",
        help="also say at which layers the error arises",
    )
    parser.add_argument("-o", "--output", help="also write the figures to a .json file")
    parser.add_argument("--plot", metavar="PNG", help="also draw them")
    add_force(parser)
    parser.add_argument(
        "--unsafe",
        action="store_true",
        help="also run Python code that a .keras file carries (Lambda layers)",
    )


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Compares, and prints the table."""
    given = (arguments.file, arguments.model, arguments.data)
    for written, suffix in ((arguments.output, ".json"), (arguments.plot, ".png")):
        if written is not None:
            check_output(written, suffix, *given, force=arguments.force)
    x = read_arrays(arguments.data, "examples")
    model = read_model(arguments.model, arguments.unsafe, console)
    simulation = None
    if arguments.simulation is not None:
        simulation = read_model(arguments.simulation, arguments.unsafe, console)
    from keras_diffmask.export.artifact import Artifact
    from keras_diffmask.export.verification import verify

    with console.phase("comparing") as advance:
        found = verify(
            Artifact.load(arguments.file),
            model,
            x,
            simulation=simulation,
            per_layer=arguments.per_layer,
        )
        advance(f"{found.samples:,} examples")
    if arguments.output is not None:
        found.save(arguments.output)
    if arguments.plot is not None:
        found.plot(arguments.plot)
    console.result(found.to_dict(), found.table)
