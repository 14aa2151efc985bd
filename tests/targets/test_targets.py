"""Devices are data."""

import dataclasses
import subprocess
import sys

import pytest

from keras_diffmask import targets
from keras_diffmask.errors import InvalidArgumentError


def test_names_resolve_to_themselves():
    for name, target in targets.ALL_OBJECTS.items():
        assert target.name == name
        assert targets.get(name) is target
        assert targets.get(target) is target
        with pytest.raises(dataclasses.FrozenInstanceError):
            target.name = "other"


@pytest.mark.parametrize("identifier", ["Cortex-M", "", None, 3, ["host"]])
def test_unknown_name_lists_the_known_ones(identifier):
    with pytest.raises(InvalidArgumentError, match="'cortex-m', 'host', or a Target"):
        targets.get(identifier)


def test_missing_ops_keep_order_and_come_once():
    ops = ("GELU", "CONV_2D", "TILE", "GELU")
    assert targets.CORTEX_M.missing_ops(ops) == ("GELU", "TILE")
    assert targets.HOST.missing_ops(ops) == ()


def test_importing_does_not_import_tensorflow():
    code = (
        "import sys, keras_diffmask.targets.registry;"
        "sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=environment())


def environment():
    import os
    from pathlib import Path

    root = Path(targets.__file__).parents[2]
    return {**os.environ, "PYTHONPATH": str(root), "KERAS_BACKEND": "jax"}
