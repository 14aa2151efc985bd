"""`convert`: a stock Keras model to a `.tflite` file."""

import argparse
import dataclasses
from typing import Any

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.cli.arrays import read_arrays
from keras_diffmask.export.cli.console import Console
from keras_diffmask.export.cli.files import check_output, read_model

NAME = "convert"
HELP = "Write a .tflite file, float32 or int8, from a stripped or plain model."
EXAMPLE = (
    "keras-diffmask convert slim.keras -o slim.tflite --quantization int8 "
    "--calibration x.npy"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("model", help="a .keras file of stock layers")
    parser.add_argument("-o", "--output", required=True, help="the .tflite to write")
    parser.add_argument(
        "--quantization",
        choices=("float32", "int8"),
        default="float32",
        help="default: %(default)s",
    )
    parser.add_argument(
        "--calibration",
        metavar="X.NPY",
        help="inputs as the model was trained on, 256 are plenty; for int8. A .npy "
        "file, or a .npz with one array per input name",
    )
    parser.add_argument(
        "--target", default="host", help="host or cortex-m; default: %(default)s"
    )
    parser.add_argument(
        "--steps",
        type=int,
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


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Converts, and says what the file holds."""
    output = check_output(
        arguments.output, ".tflite", arguments.model, arguments.calibration
    )
    _check_calibration(arguments)
    calibration = None
    if arguments.calibration:
        calibration = read_arrays(arguments.calibration, "calibration data")
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
        )
        artifact.save(output)
        advance(f"{artifact.nbytes:,} bytes")
    console.result(_facts(artifact, str(output)), lambda: _text(artifact, str(output)))


def _check_calibration(arguments: argparse.Namespace) -> None:
    """Told before Keras is started, which takes seconds."""
    if arguments.quantization == "int8" and arguments.calibration is None:
        raise InvalidArgumentError(
            "--calibration with --quantization int8",
            "none",
            "Save some 256 inputs, preprocessed as for training, with "
            "numpy.save('x.npy', x[:256]) and pass --calibration x.npy.",
        )


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
        "note": artifact.state_note,
        "notes": list(artifact.notes),
    }


def _text(artifact: Any, output: str) -> str:
    lines = [
        f"written: {output}, {artifact.nbytes:,} bytes, {artifact.quantization}, "
        f"for {artifact.target}",
        f"ops: {', '.join(artifact.ops)}",
        f"difference to the Keras model: {artifact.agreement.relative_error:.3%} (rms)",
    ]
    return "\n".join([*lines, artifact.state_note]).rstrip()
