"""What importing costs: under JAX no TensorFlow, and nothing global changed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("tensorflow", "tf_keras", "ai_edge_litert", "matplotlib", "sklearn")

# Keras itself reaches for some of these and copes with their absence, so what
# counts is what is asked for after it. A module that is asked for and absent is
# caught as well, whoever swallows the ImportError.
WITHOUT_HEAVY = """
import sys
asked = []

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {heavy!r}:
            asked.append(name)
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Refuse())
import keras
assert keras.backend.backend() == "jax", keras.backend.backend()
asked.clear()
import {module}
print(",".join(asked))
"""

UNCHANGED = """
import copy, os, random, warnings
import keras, numpy

def state():
    return copy.deepcopy((
        dict(os.environ),
        keras.config.floatx(),
        keras.config.epsilon(),
        keras.config.image_data_format(),
        keras.config.dtype_policy().name,
        repr(warnings.filters),
        random.getstate(),
        repr(numpy.random.get_state()),
        repr(numpy.geterr()),
    ))

before = state()
import keras_diffmask, keras_diffmask.export
for was, now in zip(before, state()):
    assert was == now, (was, now)
"""


def python(source: str, cwd: Path, *paths: Path) -> subprocess.CompletedProcess[str]:
    """Runs `source` under JAX, with `paths` to import from."""
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
    }
    return subprocess.run(
        [sys.executable, "-c", source],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )


def heavy_imports(module: str, *paths: Path) -> str:
    source = WITHOUT_HEAVY.format(heavy=set(HEAVY), module=module)
    done = python(source, paths[0], *paths)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("module", ["keras_diffmask", "keras_diffmask.export"])
def test_import_asks_for_nothing_heavy(root: Path, module: str) -> None:
    assert heavy_imports(module, root) == ""


def test_the_check_above_can_fail(tmp_path: Path) -> None:
    quietly = "try:\n    import {}\nexcept ImportError:\n    pass\n"
    (tmp_path / "greedy.py").write_text("".join(map(quietly.format, HEAVY)))
    assert heavy_imports("greedy", tmp_path) == ",".join(HEAVY)


def test_import_changes_nothing_global(root: Path) -> None:
    done = python(UNCHANGED, root, root)
    assert done.returncode == 0, done.stderr


def test_training_side_leaves_the_export_wing_alone(root: Path) -> None:
    source = "import keras_diffmask, sys; print('keras_diffmask.export' in sys.modules)"
    assert python(source, root, root).stdout == "False\n"


def test_bare_export_is_refused_with_a_sentence(root: Path) -> None:
    done = python("import export", root)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "ImportError: Expected `from keras_diffmask import export`; received "
        "`import export`. Import the package under its full name."
    )
