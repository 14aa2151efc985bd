"""`evidence`: the claims of the README, measured again."""

import argparse
import importlib

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.cli.console import Console
from keras_diffmask.export.cli.training_arguments import (
    add_training_arguments,
    show,
    start,
)

NAME = "evidence"
HELP = (
    "Measure one of the library's claims from data to table; what was trained "
    "already is not trained again."
)
EXAMPLE = (
    "keras-diffmask evidence har --data-dir data/uci_har\n"
    "  keras-diffmask evidence lstm-int8 --data-dir data/uci_har\n"
    "  keras-diffmask evidence budgets --data-dir data/cifar10\n"
    "  keras-diffmask evidence joint --data-dir data/cifar10\n"
    "  keras-diffmask evidence lenet --data-dir data\n"
    "  keras-diffmask evidence peers --data-dir data/cifar10\n"
    "  keras-diffmask evidence scp --data-dir data/cifar10\n"
    "  keras-diffmask evidence tiny\n"
    "  keras-diffmask evidence arm64\n"
    "  keras-diffmask evidence ptb --data-dir data/ptb --size small\n"
    "  keras-diffmask evidence speech-lstm --data-dir data --seeds 1 --quick"
)
#: Name -> what it measures.
NAMES = {
    "har": "two LSTM layers on smartphone motion, dense and pruned, int8",
    "speech-lstm": "the same on spoken words",
    "lstm-int8": "five networks with LSTMs on the same motion, int8, in LiteRT and in "
    "TFLM's interpreter, which needs tflite-micro",
    "budgets": "a network at 50, 30 and 15 % of its MACs, beside a uniformly narrowed "
    "one and L1-norm filter pruning: ResNet-8 on images, a DS-CNN on Speech Commands, "
    "two LSTM layers on UCI HAR",
    "joint": "ResNet-8 on images, pruned to 30 % of its MACs and quantized to 8 and 4 "
    "bits, one after the other and together; needs ai-edge-quantizer",
    "lenet": "LeNet-300-100 and LeNet-5 on MNIST with L0 gates, top-k and learned "
    "thresholds, beside what the papers publish; frozen features on Fashion-MNIST",
    "scp": "VGG-16 and ResNet-56 on CIFAR-10 as the operation-aware paper prunes them, "
    "160 epochs, beside what it publishes; a day each without an accelerator",
    "peers": "the networks of budgets at 30 % of their MACs, beside "
    "tensorflow-model-optimization and Torch-Pruning, which need to be installed",
    "tiny": "MLPerf Tiny's shapes and an LSTM in int8, dense and stripped: bytes, "
    "arena, MACs, Vela's cycles, agreement with TFLM; nothing is trained",
    "arm64": "networks on emulated Cortex-A53, A72 and A76: answers as on this "
    "computer, instructions dense against stripped and by channels; nothing is trained",
    "handwritten": "stripped networks beside the same written by hand at their widths: "
    "operators, shapes, bytes, answers, emulated instructions; nothing is trained",
    "resnet50": "seconds to mask, strip and convert keras.applications.ResNet50, and "
    "of TensorFlow's converter alone; nothing is trained",
    "ptb": "an LSTM language model on Penn Treebank, input and hidden neurons",
}
UNTRAINED = ("tiny", "arm64", "handwritten", "resnet50")
#: The package whose `run` has a function of the evidence's name.
PACKAGES = {
    "har": "classifier",
    "speech-lstm": "classifier",
    "lstm-int8": "lstm_int8",
    "budgets": "budgets",
    "joint": "joint",
    "lenet": "lenet",
    "scp": "scp",
    "peers": "side_by_side",
    "tiny": "tiny",
    "arm64": "arm64",
    "handwritten": "handwritten",
    "resnet50": "resnet50",
    "ptb": "language",
}
SIZES = ("small", "medium", "large")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    told = "; ".join(f"{name}: {what}" for name, what in NAMES.items())
    parser.add_argument("name", choices=tuple(NAMES), help=told.replace("%", "%%"))
    parser.add_argument(
        "--size", choices=SIZES,
        help="size of the language model (ptb): 200, 650 or 1500 units; "
        "default: small",
    )  # fmt: skip
    add_training_arguments(
        parser,
        folder="folder with the files of the data set, or the one above it",
        seeds=None,
        out="evidence-results",
        holds="NAME.json, NAME.png and the trainings, finished and begun, which a "
        "second call goes on from",
        quick="little data, few epochs",
    )


def check(arguments: argparse.Namespace) -> None:
    """Refuses a size where there is only one."""
    if arguments.size and arguments.name != "ptb":
        raise InvalidArgumentError(
            "--size for ptb only", f"--size for {arguments.name}", "Leave it out."
        )
    trained = {
        f"--{name.replace('_', '-')}": getattr(arguments, name)
        for name in ("data_dir", "seeds", "epochs")
    }
    given = [name for name, value in trained.items() if value is not None]
    if given and arguments.name in UNTRAINED:
        raise InvalidArgumentError(
            f"no data and no training for {arguments.name}", given[0], "Leave it out."
        )


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Runs one piece of evidence and prints its tables."""
    start(console)
    from keras_diffmask.export.evidence.settings import Settings

    settings = Settings(
        data_dir=arguments.data_dir,
        seeds=arguments.seeds,
        epochs=arguments.epochs,
        out=arguments.out,
        quick=arguments.quick,
        size=arguments.size,
    )
    module = importlib.import_module(
        f"keras_diffmask.export.evidence.{PACKAGES[arguments.name]}.run"
    )
    report = getattr(module, arguments.name.replace("-", "_"))(settings, console)
    names = (f"{report.name}.json", *report.files)
    show(console, report, str(report), (f"{arguments.out}/{name}" for name in names))
