"""The words of `benchmark`: what is timed, how, and where."""

import argparse

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.cli.files import add_force
from keras_diffmask.export.cli.numbers import at_least, positive
from keras_diffmask.export.device_names import HOST

# name -> the most that masks may cost, masked over plain; that the controller of a
# budget and its costs may, over the same masks without; and int8 quantizers.
LIMITS = {"resnet8": 1.05, "lstm": 1.10, "budget": 1.02, "quantization": 1.50}
PAIRS = {
    "budget": ("with a budget", "without"),
    "quantization": ("with int8 quantizers", "without"),
}
ESTIMATORS, RECURRENT = "estimators", "recurrent"
ROUNDS = {"training": 150, "tables": 100, "surgery": 3, "latency": 20}
# What latencies are foretold of; functions in `benchmarking.networks`.
FORETOLD = {"resnet8": "resnet8", "depthwise": "depthwise_net"}
LAYERS = (16, 32, 64, 128, 256, 512)
_TIMEOUT = 120.0
_ON_DEVICES = ("device", "benchmark_model", "cores", "timeout")
# Subject -> the options that it reads besides itself.
_READ = {
    "files": ("threads", "rounds", "seconds", "per_op", "delegate", *_ON_DEVICES),
    "training_step": ("rounds", "batch"),
    "surgery": ("rounds", "layers"),
    "latency": ("rounds", "models"),
    "table": ("rounds", *_ON_DEVICES),
    "prepare": ("device",),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    _add_subjects(parser)
    _add_amounts(parser)
    _add_network_arguments(parser)
    _add_device_arguments(parser)


def check_read(arguments: argparse.Namespace) -> None:
    """Refuses the options that would seem to act: the subject does not read them.

    Args:
        arguments: of one subject.

    Raises:
        InvalidArgumentError: naming the first of them.
    """
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    given = vars(arguments)
    subject = next(name for name in _READ if given[name])
    read = {subject, *_READ[subject], "force"}
    if subject != "prepare":
        read.add("output")
    if arguments.training_step == ESTIMATORS:
        read.add("estimators")
    if arguments.device == HOST:
        read.discard("timeout")
    for name, usual in vars(parser.parse_args([])).items():
        if name not in read and given[name] != usual:
            raise _unread(name, given[name], subject, arguments)


def _unread(
    name: str, value: object, subject: str, arguments: argparse.Namespace
) -> InvalidArgumentError:
    option = _option(name)
    words = "" if value is True else f" {value}"
    if isinstance(value, list):
        words = "".join(f" {one}" for one in value)
    chosen = ".tflite files" if subject == "files" else _option(subject)
    if subject == "training_step":
        chosen += f" {arguments.training_step}"
    where = f" on {arguments.device}" if name == "timeout" else ""
    return InvalidArgumentError(
        f"no {option} with {chosen}{where}, where nothing reads it",
        f"{option}{words}",
        "Leave it out.",
    )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _add_subjects(parser: argparse.ArgumentParser) -> None:
    """One of these is timed."""
    parser.add_argument("files", nargs="*", help=".tflite files; the first is the base")
    parser.add_argument(
        "--training-step", choices=(*LIMITS, ESTIMATORS, RECURRENT),
        help="time a training step of this network, masked over plain, instead; "
        "budget: of resnet8 with a budget of macs, flash and ram, over the same masks "
        "without; quantization: of resnet8 with int8 quantizers, over the same masks "
        "without; "
        "estimators: of several networks under every estimator; recurrent: of masked "
        "recurrent layers, each over the Keras layer",
    )  # fmt: skip
    parser.add_argument(
        "--surgery", action="store_true",
        help="time plan and strip of networks of more and more layers, instead",
    )  # fmt: skip
    parser.add_argument(
        "--latency", choices=tuple(FORETOLD),
        help="compare what a latency table foretells of stripped models of this "
        "network with what they take, instead",
    )  # fmt: skip
    parser.add_argument(
        "--table", metavar="MODEL.KERAS",
        help="time each operator of this dense model at several numbers of channels, "
        "for a budget of latency, instead",
    )  # fmt: skip


def _add_amounts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads", type=at_least(1), default=1, help="per model; default: %(default)s"
    )
    parser.add_argument(
        "--rounds", type=at_least(1),
        help="turns through all models; default: 40, on a device 5, training steps "
        "150 (estimators and recurrent 100), surgery 3, latency 20",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", type=positive,
        help="time for each model over all rounds; default: 1, on a device 5",
    )  # fmt: skip
    parser.add_argument(
        "--per-op", action="store_true", help="also time each operation alone"
    )
    parser.add_argument("-o", "--output", help="also write the result to a .json file")
    add_force(parser)


def _add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """What the built-in networks are like."""
    parser.add_argument(
        "--estimators", nargs="+", metavar="NAME",
        help="only these, with --training-step estimators; default: all",
    )  # fmt: skip
    parser.add_argument(
        "--layers", type=at_least(4), nargs="+", default=LAYERS, metavar="N",
        help="of these networks; default: 16 32 64 128 256 512",
    )  # fmt: skip
    parser.add_argument(
        "--models", type=at_least(3), default=20,
        help="how many stripped models; default: %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--batch",
        type=at_least(1),
        default=64,
        help="of a training step; default: %(default)s",
    )


def _add_device_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares where files are timed, and how there."""
    group = parser.add_argument_group(
        "on a device", "docs/put_it_on_a_phone.md shows it from the first cable on"
    )
    group.add_argument(
        "--device", default=HOST, metavar="WHERE",
        help="android, android:SERIAL, ssh:user@host[:port], or arm64-emulated: "
        "instructions on Arm cores under QEMU; default: this computer",
    )  # fmt: skip
    group.add_argument(
        "--benchmark-model", metavar="PATH",
        help="Google's tool for the device; default: $KERAS_DIFFMASK_BENCHMARK_MODEL, "
        "else ~/.cache/keras_diffmask/benchmark_model/ABI/benchmark_model",
    )  # fmt: skip
    group.add_argument(
        "--cores", metavar="MASK",
        help="cores to run on: big, or a mask in hexadecimal; emulated: of "
        "a53,a72,a76; default: all",
    )  # fmt: skip
    group.add_argument(
        "--delegate", choices=("cpu", "gpu", "none"), default="cpu",
        help="cpu is XNNPACK, none the plain kernels; default: %(default)s",
    )  # fmt: skip
    group.add_argument(
        "--timeout", type=positive, default=_TIMEOUT,
        help="seconds after which one run is given up; default: %(default)s",
    )  # fmt: skip
    group.add_argument(
        "--prepare", action="store_true",
        help="with arm64-emulated, once: download an Arm64 Python and LiteRT into "
        "$KERAS_DIFFMASK_ARM64, else ~/.cache/keras_diffmask/arm64",
    )  # fmt: skip
