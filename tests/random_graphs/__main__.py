"""Draw many graphs and hold the laws on each: `python -m tests.random_graphs`.

Writes what it has so far after every chunk, so it can be killed; the same
command goes on from there. Exit status 1 where a bar is missed.
"""

# ruff: noqa: E402

import os

# Small tensors: more threads than one only get into each other's way.
for _variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(_variable, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import argparse
import sys
import time
import warnings
from pathlib import Path

from tests.random_graphs.survey import Survey, run_chunk

CHUNK = 25


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.random_graphs")
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--out", type=Path, required=True, help="a .json file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--keep-long", action="store_true", help="do not shorten failing recipes"
    )
    return parser.parse_args()


def main() -> int:
    options = arguments()
    warnings.simplefilter("ignore")  # Keras warns wherever a mask is dropped
    survey = Survey.load(options.out, options.examples, options.seed)
    while survey.examples < options.examples:
        began = time.monotonic()
        count = min(CHUNK, options.examples - survey.examples)
        run_chunk(survey, count, shorter=not options.keep_long)
        survey.seconds += time.monotonic() - began
        survey.save(options.out)
        print(survey.progress(), flush=True)
    print(survey.table())
    for line in survey.missed():
        print("MISSED:", line)
    return 1 if survey.missed() else 0


if __name__ == "__main__":
    sys.exit(main())
