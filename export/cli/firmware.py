"""`firmware`: a folder of C++ sources that run a `.tflite` file under TFLM."""

import argparse

from keras_diffmask.export.cli.arrays import read_arrays
from keras_diffmask.export.cli.console import Console
from keras_diffmask.export.cli.numbers import at_least

NAME = "firmware"
HELP = (
    "Write the folder that a microcontroller's project needs: the model as an array, "
    "the operators to link, the arena's size, one golden example and a program that "
    "checks it."
)
EXAMPLE = "keras-diffmask firmware slim.tflite -o firmware --golden x.npy"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("file", help="a .tflite file, converted with --target cortex-m")
    parser.add_argument("-o", "--output", required=True, help="the folder to make")
    parser.add_argument(
        "--golden",
        metavar="X.NPY",
        help="real inputs, of which the first is checked on the board; default: one "
        "that is made up",
    )
    parser.add_argument(
        "--arena-bytes",
        type=at_least(1),
        help="size of the arena, where the board's own figure is known; default: what "
        "TFLM's interpreter takes here, and a margin",
    )
    parser.add_argument(
        "--force", action="store_true", help="replace a folder that this command wrote"
    )


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Writes the folder, and says what lies in it."""
    golden = None
    if arguments.golden is not None:
        golden = read_arrays(arguments.golden, "examples")
    from keras_diffmask.export.artifact import Artifact

    with console.phase("writing the firmware") as advance:
        folder = Artifact.load(arguments.file).save_firmware(
            arguments.output,
            golden=golden,
            arena_bytes=arguments.arena_bytes,
            force=arguments.force,
        )
        names = sorted(path.name for path in folder.iterdir())
        advance(f"{len(names)} files")
    console.result(
        {"output": str(folder), "files": names},
        lambda: f"written: {folder}\n" + "\n".join(f"  {name}" for name in names),
    )
