"""`convert`: a stock Keras model to a `.tflite` file."""

import argparse
import dataclasses
from typing import Any

from keras_diffmask import targets
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export import modes
from keras_diffmask.export.artifact_text import difference
from keras_diffmask.export.cli.arrays import read_arrays
from keras_diffmask.export.cli.console import Console
from keras_diffmask.export.cli.files import (
    add_force,
    check_output,
    read_lines,
    read_model,
)
from keras_diffmask.export.cli.numbers import at_least

NAME = "convert"
HELP = "Write a .tflite file, float or of integers, from a stripped or plain model."
EXAMPLE = (
    "keras-diffmask convert slim.keras -o slim.tflite --quantization int8 "
    "--calibration x.npy"
)
NOTES = "what --quantization writes, and for which --target:\n" + "\n".join(
    f"  {line}" for line in modes.table().splitlines()
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("model", help="a .keras file of stock layers")
    parser.add_argument("-o", "--output", required=True, help="the .tflite to write")
    add_force(parser)
    parser.add_argument(
        "--quantization",
        choices=modes.NAMES,
        help="default: float32, or of a model with quantizers what it learned",
    )
    parser.add_argument(
        "--calibration",
        metavar="X.NPY",
        help="inputs as the model was trained on, 256 are plenty; for integers. A "
        ".npy file, or a .npz with one array per input name",
    )
    parser.add_argument(
        "--target",
        default="host",
        help=f"{', '.join(targets.ALL_OBJECTS)}; default: %(default)s",
    )
    parser.add_argument(
        "--io",
        choices=("int8", "uint8", "int16", "float32"),
        help="type of inputs and outputs of a file of integers",
    )
    parser.add_argument(
        "--labels",
        metavar="LABELS.TXT",
        help="names of the classes, one per line, put into the file for phones",
    )
    parser.add_argument(
        "--description", metavar="TEXT", help="what the model does, for phones"
    )
    parser.add_argument(
        "--steps",
        type=at_least(1),
        metavar="N",
        help="length of the sequences, for a model whose Input leaves it open",
    )
    parser.add_argument(
        "--streaming",
        action="store_true",
        help="one step of a sequence per call, the LSTMs' state carried along",
    )
    parser.add_argument(
        "--unsafe",
        action="store_true",
        help="also run Python code that the file carries (Lambda layers)",
    )


def check(arguments: argparse.Namespace) -> None:
    """Refuses an unknown target, and integers without data to calibrate on."""
    targets.get(arguments.target)
    mode = modes.get(arguments.quantization)
    if mode.calibration and arguments.calibration is None:
        raise InvalidArgumentError(
            f"--calibration with --quantization {mode.name}",
            "none",
            "Save some 256 inputs, preprocessed as for training, with "
            "numpy.save('x.npy', x[:256]) and pass --calibration x.npy.",
        )


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Converts, and says what the file holds."""
    output = check_output(
        arguments.output,
        ".tflite",
        arguments.model,
        arguments.calibration,
        force=arguments.force,
    )
    calibration = None
    if arguments.calibration:
        calibration = read_arrays(arguments.calibration, "calibration data")
    labels = read_lines(arguments.labels) if arguments.labels else None
    model = read_model(arguments.model, arguments.unsafe, console)
    from keras_diffmask.export.emit import to_tflite

    with console.phase("converting") as advance:
        artifact = to_tflite(
            model,
            arguments.quantization,
            calibration=calibration,
            target=arguments.target,
            name=output.stem,
            steps=arguments.steps,
            streaming=arguments.streaming,
            io=arguments.io,
            labels=labels,
            description=arguments.description,
        )
        artifact.save(output)
        advance(f"{artifact.nbytes:,} bytes")
    console.result(_facts(artifact, str(output)), lambda: _text(artifact, str(output)))


def _facts(artifact: Any, output: str) -> dict[str, Any]:
    return {
        "output": output,
        "bytes": artifact.nbytes,
        "quantization": artifact.quantization,
        "target": artifact.target,
        "ops": list(artifact.ops),
        "inputs": [dataclasses.asdict(spec) for spec in artifact.inputs],
        "outputs": [dataclasses.asdict(spec) for spec in artifact.outputs],
        "relative_error": artifact.agreement.relative_error,
        "streaming": artifact.streaming,
        "calibration": artifact.calibration
        and dataclasses.asdict(artifact.calibration),
        "labels": list(artifact.labels),
        "note": artifact.state_note,
        "notes": list(artifact.notes),
    }


def _text(artifact: Any, output: str) -> str:
    lines = [
        f"written: {output}, {artifact.nbytes:,} bytes, {artifact.quantization}, "
        f"for {artifact.target}",
        f"ops: {', '.join(artifact.ops)}",
        difference(artifact.agreement, artifact.calibration is not None),
    ]
    if artifact.calibration is not None:
        lines.append(f"calibrated with {artifact.calibration}")
    return "\n".join([*lines, artifact.state_note]).rstrip()
