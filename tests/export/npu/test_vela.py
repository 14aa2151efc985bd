"""Vela's estimate: what it reads, what it refuses, what it says of a crash."""

import dataclasses
import json
import re
import shutil

import keras
import numpy as np
import pytest

from keras_diffmask import export
from keras_diffmask.errors import (
    ArtifactError,
    InvalidArgumentError,
    MissingDependencyError,
)
from keras_diffmask.export.artifact import Artifact
from keras_diffmask.export.hybrid import hybrid_op
from keras_diffmask.export.npu import command
from keras_diffmask.export.npu.estimate import read_estimate
from tests.export.files_of_others import with_integer_loop

layers = keras.layers


def draw(*shape):
    return np.random.default_rng(1).standard_normal(shape).astype("float32")


@pytest.fixture(scope="module")
def artifact():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((12, 12, 3))
    h = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv")(inputs)
    # Along the rows: Vela 5 leaves it to the CPU.
    h = keras.ops.flip(layers.Conv2D(8, 3, padding="same", name="next")(h), axis=1)
    h = layers.Dense(4, name="head")(layers.GlobalAveragePooling2D()(h))
    model = keras.Model(inputs, h, name="net")
    return export.to_tflite(
        model, "int8", calibration=draw(20, 12, 12, 3), target="cortex-m"
    )


@pytest.fixture(scope="module")
def found(artifact):
    pytest.importorskip("ethosu.vela")
    return export.vela(artifact)


def test_figures(found, artifact):
    assert found.accelerator == "Ethos_U55_128"
    assert found.system == "Ethos_U55_High_End_Embedded"
    assert found.memory_mode == "Shared_Sram" and found.clock_mhz == 500
    macs = 144 * (8 * 27 + 8 * 72) + 32
    assert found.macs == pytest.approx(macs, rel=0.02)
    # It has 128 of them per cycle.
    assert macs / 128 < found.npu_cycles < 20 * macs / 128
    assert found.npu_cycles <= found.total_cycles
    milliseconds = found.total_cycles / 500e6 * 1e3
    assert found.inference_ms == pytest.approx(milliseconds, rel=0.01)
    assert 0 < found.sram_kib < 20 and 0 < found.flash_kib < 20


def test_what_falls_back_is_named(found, artifact):
    assert [op for op, _ in found.cpu_ops] == ["REVERSE_V2"]
    assert found.ops == len(artifact.ops)
    assert found.npu_share == pytest.approx(1 - 1 / len(artifact.ops))
    table = found.table()
    assert "on the CPU: REVERSE_V2" in table and "not in the cycles" in table
    assert "estimate by Vela, not a measurement" in table
    assert "Ethos_U55_128 at 500 MHz" in table
    json.dumps(found.to_dict())


def test_operators_inside_of_a_loop_are_counted_and_told():
    pytest.importorskip("ethosu.vela")
    looped = export.Artifact.from_content(with_integer_loop(), "looped")
    assert looped.other_ops
    found = export.vela(looped)
    assert (found.ops, found.inner_ops) == (
        len(looped.all_ops),
        len(looped.other_ops),
    )
    # By the operators' own names, those of the loop's body too.
    assert "Passthrough" not in [op for op, _ in found.cpu_ops]
    table = found.table()
    assert re.search(r"operators on NPU +[\d.]+% at most", table)
    assert f"{found.inner_ops} of {found.ops} operators are run by WHILE" in table


def test_no_word_of_loops_where_there_are_none(found):
    assert found.inner_ops == 0
    assert "at most" not in found.table() and "WHILE" not in found.table()


def test_another_accelerator_is_faster(found, artifact):
    wide = export.vela(artifact, "ethos-u55-256")
    assert wide.accelerator == "Ethos_U55_256"
    assert wide.npu_cycles < found.npu_cycles


def test_refusals(artifact):
    with pytest.raises(InvalidArgumentError, match="ethos-u55-32, .*config='u55'"):
        export.vela(artifact, "u55")
    with pytest.raises(InvalidArgumentError, match="an Artifact; received .*bytes"):
        export.vela(artifact.content)
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Dense(2)(inputs), name="plain")
    for mode in ("float32", "float16"):
        with pytest.raises(ArtifactError, match=f"'plain' in {mode}"):
            export.vela(export.to_tflite(model, mode))


def test_dynamic_range_of_a_transposed_convolution():
    """Its inputs are the shape, the weights and the data, in this order."""
    inputs = keras.Input((4, 4, 32))
    model = keras.Model(inputs, layers.Conv2DTranspose(64, 3)(inputs))
    artifact = export.to_tflite(model, "dynamic")
    assert hybrid_op(artifact.content) == "TRANSPOSE_CONV"
    with pytest.raises(ArtifactError, match="TRANSPOSE_CONV of float inputs"):
        export.vela(artifact)


def test_nothing_on_the_npu_is_said(found):
    assert "Nothing runs on the NPU" not in found.table()
    nothing = dataclasses.replace(found, ops=1, cpu_ops=(("TANH", "x"),))
    assert nothing.npu_share == 0.0
    assert "Nothing runs on the NPU" in nothing.table()


def test_dynamic_range_is_no_success(monkeypatch):
    tensorflow = pytest.importorskip("tensorflow")

    @tensorflow.function(autograph=False)
    def serve(x):
        return tensorflow.matmul(x, tensorflow.constant(draw(64, 64)))

    shape = tensorflow.TensorSpec((1, 64), "float32")
    converter = tensorflow.lite.TFLiteConverter.from_concrete_functions(
        [serve.get_concrete_function(shape)]
    )
    converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    artifact = Artifact.from_content(converter.convert(), "hybrid")
    with pytest.raises(ArtifactError, match="dynamic-range .*0 % would run"):
        export.vela(artifact)


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("kill -FPE $$", "its death by SIGFPE at 'net'.*4-bit"),
        ("exit 136", "its death by SIGFPE"),
        ("echo 'Warning: x'; echo 'Error: no such system' >&2; exit 1", "no such sys"),
        ("exit 0", "no word"),
        ("sleep 30", "to finish within 0.3 seconds"),
    ],
)
def test_a_crash_is_one_sentence(artifact, tmp_path, monkeypatch, script, sentence):
    """With a stand-in for the program, which ends in every way."""
    fake = tmp_path / "python"
    fake.write_text(f"#!{shutil.which('sh')}\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setattr(command.sys, "executable", str(fake))
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: True)
    with pytest.raises(ArtifactError, match=sentence) as caught:
        export.vela(artifact, timeout=0.3 if "sleep" in script else 30)
    assert "\n" not in str(caught.value)


def test_absent(artifact, monkeypatch):
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="pip install 'ethos-u-vela>=5'"):
        export.vela(artifact)


@pytest.mark.parametrize("summary", ["", "a,b\n1,2\n"])
def test_another_versions_summary(summary):
    with pytest.raises(ArtifactError, match="as version 5 writes it"):
        read_estimate("net", summary, "   NPU: Conv2D = x", {"x": "CONV_2D"}, "9.0")
