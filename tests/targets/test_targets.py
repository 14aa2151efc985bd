"""Devices are data."""

import dataclasses
import json
import subprocess
import sys

import pytest

from keras_diffmask import targets
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.targets import Target

NAMES = ["host", "android-cpu", "cortex-m", "ethos-u55", "ethos-u85"]


def test_names_resolve_to_themselves():
    assert list(targets.ALL_OBJECTS) == NAMES
    for name, target in targets.ALL_OBJECTS.items():
        assert target.name == name
        assert targets.get(name) is target
        assert targets.get(target) is target
        assert target.description and "\n" not in target.description
        with pytest.raises(dataclasses.FrozenInstanceError):
            target.name = "other"


@pytest.mark.parametrize("identifier", ["Cortex-M", "", None, 3, ["host"]])
def test_unknown_name_lists_the_known_ones(identifier):
    with pytest.raises(InvalidArgumentError, match="'cortex-m', .*'host', or a Target"):
        targets.get(identifier)


def test_missing_ops_keep_order_and_come_once():
    ops = ("GELU", "CONV_2D", "TILE", "GELU")
    assert targets.CORTEX_M.missing_ops(ops) == ("GELU", "TILE")
    assert targets.HOST.missing_ops(ops) == ()


def test_missing_kernels_depend_on_the_type():
    ops = ("CONV_2D", "EXP", "REDUCE_MAX")
    assert targets.CORTEX_M.missing_ops(ops) == ()
    assert targets.CORTEX_M.missing_ops(ops, "int8") == ("EXP",)
    assert targets.CORTEX_M.missing_ops(ops, "int16") == ("EXP", "REDUCE_MAX")
    assert targets.ANDROID_CPU.missing_ops(ops, "int16") == ()


@pytest.mark.parametrize("name", NAMES)
def test_a_target_crosses_a_process_as_json(name):
    target = dataclasses.replace(targets.get(name), flash=1000, ram=500)
    again = Target.from_json(json.loads(json.dumps(target.to_json())))
    assert again == target
    assert hash(again) == hash(target)
    assert type(again.io) is tuple and again.refused == target.refused


def test_json_of_something_else():
    with pytest.raises(InvalidArgumentError, match=r"\['cpu'\] among them"):
        Target.from_json({"name": "x", "cpu": "M4"})


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"runtime": "onnx"}, "runtime to be 'litert' or 'tflm'"),
        ({"io": ("int4",)}, "io to be some of"),
        ({"io": ()}, "io to be some of"),
        ({"flash": 0}, "flash as a whole number"),
        ({"ram": "64 KiB"}, "ram as a whole number .*ram='64 KiB'"),
        ({"channel_multiple": True}, "channel_multiple as a whole number"),
    ],
)
def test_impossible_devices(values, sentence):
    with pytest.raises(InvalidArgumentError, match=sentence):
        Target("board", **values)


def test_accelerators_name_a_configuration_of_vela():
    named = {t.name: t.accelerator for t in targets.ALL_OBJECTS.values()}
    assert named["ethos-u55"] == "ethos-u55-128"
    assert named["ethos-u85"] == "ethos-u85-256"
    assert named["host"] is named["android-cpu"] is named["cortex-m"] is None


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
