"""Before Keras is imported: a quiet process, headless, that shares the cores."""

import gc
import os
import zlib
from collections.abc import Iterator
from typing import Any

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


# Of the cases of a law (layers, estimators, models) one of so many runs by default:
# what TensorFlow takes minutes for, torch does in seconds. That a strip is exact, in
# float64, only TensorFlow shows: law 3 is whole there.
LAWS = {"tensorflow": 5}


def pytest_configure(config: pytest.Config) -> None:
    # The heap of Keras and TensorFlow is large and stays; walking it all again and
    # again takes a twentieth of the time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    if os.environ.get("KERAS_BACKEND") == "torch":
        # Else each warning comes once in a process, in whichever test is first.
        import torch

        torch.set_warn_always(True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--one-of",
        type=int,
        metavar="N",
        help="run about one of N tests, always the same ones, whatever their order; "
        "1: all of them. By default all, but of the cases of each law one of "
        f"{LAWS['tensorflow']} under TensorFlow",
    )


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    chosen: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        part = left if zlib.crc32(item.nodeid.encode()) % _one_of(item) else chosen
        part.append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = chosen


def _one_of(item: pytest.Item) -> int:
    asked, config = item.config.getoption("--one-of"), item.config
    if asked is not None:
        return asked
    is_named = any("::" in word for word in config.args) or config.option.keyword
    is_case = "/laws/" in item.nodeid and hasattr(item, "callspec")
    if is_named or not is_case:
        return 1
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow" and "/test_law_3_" in item.nodeid:
        return 1
    return LAWS.get(backend, 1)


@pytest.fixture(scope="module")
def trains_eagerly() -> Iterator[None]:
    """Comparison and evidence train a few batches without tracing them.

    A ResNet-8's step takes ten seconds to trace and half of one to run. That they
    train as graphs, too, is what the demo, the examples and the README's script show.
    """
    import keras

    from keras_diffmask.export.demo import training
    from keras_diffmask.export.evidence import fitting

    def compiled(model: Any, recipe: Any, examples: int, optimizer: Any = None) -> None:
        compile_classifier(model, recipe, examples, optimizer)
        model.run_eagerly = keras.backend.backend() == "tensorflow"

    compile_classifier = training.compile_classifier
    with pytest.MonkeyPatch.context() as patch:
        for module in (training, fitting):
            patch.setattr(module, "compile_classifier", compiled)
        yield
