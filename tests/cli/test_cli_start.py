"""What the command line does before and while Keras is loaded."""

import subprocess
import sys

import pytest

HELP = """
import sys
sys.orig_argv[:] = ["python", "-m", "keras_diffmask", "--help"]
sys.argv[:] = ["-m"]
import keras_diffmask.export.cli
status = keras_diffmask.export.cli.main(["--help"])
loaded = {"keras", "tensorflow", "jax", "numpy", "ai_edge_litert"} & set(sys.modules)
assert status == 0 and not loaded, loaded
"""


USAGE = """
import sys
words = {words!r}.split()
sys.orig_argv[:] = ["python", "-m", "keras_diffmask", *words]
sys.argv[:] = ["-m"]
import keras_diffmask.export.cli
status = keras_diffmask.export.cli.main(words)
loaded = {{"keras", "tensorflow", "jax", "torch", "ai_edge_litert"}} & set(sys.modules)
assert status == 2 and not loaded, (status, loaded)
"""


@pytest.mark.parametrize(
    "words",
    [
        "bake m.keras",
        "demo --budget 20",
        "demo --dataset cats",
        "compare --seeds 0",
        "evidence har --size small",
        "convert m.keras -o m.tflite --target toaster",
        "convert m.keras -o m.tflite --quantization int8",
        "benchmark",
        "benchmark --training-step lstm --rounds 0",
    ],
)
def test_an_error_in_the_words_loads_nothing(words):
    """Keras took 4.6 seconds of CPU time before it was said; now it is 0.1."""
    source = USAGE.format(words=words)
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "keras-diffmask" in done.stderr


def test_help_loads_nothing():
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: keras-diffmask")


def test_an_error_is_all_of_stderr(shell, files):
    done = shell("plan", files / "lambda.keras")
    assert done.returncode == 1
    assert done.stdout == ""
    *progress, error = done.stderr.splitlines()
    assert error.startswith("keras-diffmask: Expected a .keras file without Python")
    # On a slow computer, that it is still reading.
    assert progress in ([], [f"reading {files / 'lambda.keras'} ..."])


def test_scripts_get_everything_at_once():
    source = "import keras_diffmask as kd; kd.layers.MaskedDense, kd.mask_model"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True)
    assert done.returncode == 0, done.stderr
