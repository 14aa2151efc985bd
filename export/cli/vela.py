"""`vela`: how a `.tflite` file would run on an Ethos-U."""

import argparse

from keras_diffmask.export.cli.console import Console

NAME = "vela"
HELP = (
    "Ask Arm's Vela compiler for cycles, memory and what falls back to the CPU: an "
    "estimate for one configuration of an Ethos-U."
)
EXAMPLE = "keras-diffmask vela slim.tflite --config ethos-u55-128"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("file", help="an int8 .tflite file")
    parser.add_argument(
        "--config",
        default="ethos-u55-128",
        help="the accelerator and its MACs per cycle; default: %(default)s",
    )
    parser.add_argument(
        "--system", metavar="NAME", help="a system configuration that Vela knows"
    )
    parser.add_argument(
        "--memory-mode", metavar="NAME", help="a memory mode that Vela knows"
    )


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Compiles, and prints the estimate."""
    with console.phase("compiling with Vela") as advance:
        from keras_diffmask.export.artifact import Artifact
        from keras_diffmask.export.npu import vela

        found = vela(
            Artifact.load(arguments.file),
            arguments.config,
            system=arguments.system,
            memory_mode=arguments.memory_mode,
        )
        advance(f"{found.total_cycles:,} cycles")
    console.result(found.to_dict(), found.table)
