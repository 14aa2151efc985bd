"""Before Keras is imported: a quiet process, headless, that shares the cores."""

import os
import zlib

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Most of the time under JAX goes into compiling functions that run once.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
)

# Each xdist worker is a process with thread pools of its own, each as wide as
# the machine: on two cores, two workers would fight over them with eight threads.
if int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1:
    for variable in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
    ):
        os.environ.setdefault(variable, "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--one-of",
        type=int,
        default=1,
        metavar="N",
        help="run about one of N tests, always the same ones, whatever their order",
    )


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    of = config.getoption("--one-of")
    chosen: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        part = left if zlib.crc32(item.nodeid.encode()) % of else chosen
        part.append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = chosen
