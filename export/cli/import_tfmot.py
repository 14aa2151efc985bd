"""`import-tfmot`: a Keras 2 model that tfmot pruned, as a masked model."""

import argparse
import os

from keras_diffmask.errors import ArtifactError
from keras_diffmask.export.cli.console import Console
from keras_diffmask.export.cli.files import add_force, check_output, start_keras

NAME = "import-tfmot"
HELP = (
    "Read a Keras 2 model pruned by tensorflow-model-optimization, close the channels "
    "that its zeros leave silent, and write a masked model for `strip`."
)
EXAMPLE = "keras-diffmask import-tfmot pruned.h5 -o masked.keras"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument(
        "model", help="an .h5 or .keras file of tf_keras, or a SavedModel's folder"
    )
    parser.add_argument(
        "-o", "--output", required=True, help="the .keras file to write"
    )
    add_force(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Reads, closes, and writes."""
    output = check_output(
        arguments.output, ".keras", arguments.model, force=arguments.force
    )
    if not os.path.exists(arguments.model):
        raise ArtifactError(
            "an existing file or folder", f"{arguments.model!r}", "Check the path."
        )
    with console.phase(f"reading {arguments.model}", 2) as advance:
        start_keras()
        from keras_diffmask.export.interop.tfmot import NEXT_STEP, read_tfmot
        from keras_diffmask.export.model_io import save_model

        found = read_tfmot(arguments.model)
        advance("read and compared")
        save_model(found.model, output)
        advance("written")
    facts = {
        name: getattr(found, name)
        for name in ("closed", "units", "zeros", "weights", "scattered", "difference")
    }
    more = f".\n{NEXT_STEP}" if found.scattered else ""
    console.result(
        {"output": str(output), **facts}, lambda: f"{found}{more}.\nwritten: {output}"
    )
