"""Every quantization mode: what is in the file, how far it is off, where it runs."""

import importlib.util
from dataclasses import replace

import keras
import numpy as np
import pytest

from keras_diffmask import export, targets
from keras_diffmask.errors import (
    ConversionError,
    InvalidArgumentError,
    MissingDependencyError,
)
from keras_diffmask.export import modes
from keras_diffmask.export.emit import convert as converting
from keras_diffmask.export.emit.checks import check_content
from keras_diffmask.export.flatbuffer import read_subgraphs
from keras_diffmask.export.tensor_spec import TensorSpec
from tests.export.emit.conftest import shake

layers = keras.layers
# Measured on the model below, whose weights are random: int8 2.1 %, int16x8 1.3 %,
# float16 0.06 %, dynamic 1.0 %, int4 20.6 % (one scale per Dense kernel).
LIMITS = {
    "float32": 1e-5,
    "int8": 0.03,
    "int16x8": 0.02,
    "float16": 2e-3,
    "dynamic": 0.02,
    "int4": 0.25,
}
IO = [
    *(("int8", io) for io in ("int8", "uint8", "float32")),
    *(("int16x8", io) for io in ("int16", "float32")),
    *(("int4", io) for io in ("int8", "float32")),
    *((mode, "float32") for mode in ("float32", "float16", "dynamic")),
]


def build():
    """A convolution, a depthwise one, and kernels of more than 1,024 elements."""
    keras.utils.set_random_seed(7)
    inputs = keras.Input((10, 10, 3))
    x = layers.Conv2D(16, 3, use_bias=False)(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, activation="relu6")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Dense(24, activation="relu")(layers.Flatten()(x))
    model = keras.Model(inputs, layers.Dense(5)(x), name="cnn")
    shake(model)
    return model


def inputs(seed=1, count=128):
    shape = (count, 10, 10, 3)
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


@pytest.fixture(scope="module")
def written(convert_once):
    """(mode, io) -> (artifact, unseen inputs, what Keras answers for them)."""
    found = {}
    for mode, io in IO:
        model, unseen = build(), inputs(9, 32)
        wanted = model.predict(unseen, verbose=0)
        target = targets.HOST if mode in ("float16", "dynamic") else targets.CORTEX_M
        found[mode, io] = (
            convert_once(model, inputs(), mode, target=target, io=io),
            unseen,
            wanted,
        )
    return found


@pytest.mark.parametrize(("mode", "io"), IO)
def test_the_file_says_which_mode_it_is(written, mode, io):
    artifact = written[mode, io][0]
    assert artifact.quantization == mode
    assert [spec.dtype for spec in artifact.inputs + artifact.outputs] == [io, io]
    assert (artifact.inputs[0].scale is None) == (io == "float32")


@pytest.mark.parametrize("reference", [False, True], ids=["default", "reference"])
@pytest.mark.parametrize(("mode", "io"), IO)
def test_the_file_agrees_with_keras(written, mode, io, reference):
    artifact, unseen, wanted = written[mode, io]
    ours = artifact.run(unseen, reference_kernels=reference)
    assert ours.dtype == np.float32
    error = np.sqrt(np.mean((ours - wanted) ** 2) / np.mean(wanted**2))
    print(f"{mode}, {io} outside: {error:.3%} off")
    assert error <= LIMITS[mode]
    assert artifact.agreement.relative_error <= LIMITS[mode]
    assert artifact.agreement.samples > 0


def test_types_outside_change_little_inside(written):
    first, unseen, _ = written["int8", "int8"]
    expected = first.run(unseen, reference_kernels=True)
    for io in ("uint8", "float32"):
        ours = written["int8", io][0].run(unseen, reference_kernels=True)
        # The same network; only rounding at the border may fall otherwise.
        assert np.abs(ours - expected).max() <= 2.01 * first.outputs[0].scale


@pytest.mark.parametrize(("mode", "io"), IO)
def test_a_microcontroller_runs_what_its_target_allows(written, mode, io):
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    artifact, unseen, _ = written[mode, io]

    def answers():
        interpreter = runtime.Interpreter.from_bytes(
            artifact.content, arena_size=200_000
        )
        for x in unseen[:8]:
            interpreter.set_input(artifact.inputs[0].quantize(x[None]), 0)
            interpreter.invoke()
            yield artifact.outputs[0].dequantize(interpreter.get_output(0))

    if mode in targets.CORTEX_M.refused:
        with pytest.raises(RuntimeError, match="allocate tensors"):
            list(answers())
        return
    expected = artifact.run(unseen[:8], reference_kernels=True)
    step = artifact.outputs[0].scale or written["int8", "int8"][0].outputs[0].scale
    assert np.abs(np.concatenate(list(answers())) - expected).max() <= 1.01 * step


def test_sizes_follow_the_weights(written):
    def size(mode):
        return written[mode, modes.get(mode).io[0]][0].nbytes

    assert size("int4") < size("int8") < size("float16") < size("float32")
    assert size("dynamic") < size("float16")


def test_four_bits_where_kernels_read_them(written):
    graph = read_subgraphs(written["int4", "int8"][0].content)[0]
    found = [
        (op.name, graph.tensors[op.inputs[1]].dtype)
        for op in graph.ops
        if len(op.inputs) > 2
    ]
    assert found == [
        ("CONV_2D", "INT4"),
        ("DEPTHWISE_CONV_2D", "INT8"),
        ("FULLY_CONNECTED", "INT4"),
        ("FULLY_CONNECTED", "INT4"),
    ]


# ----- the checks behind each promise


@pytest.mark.parametrize(
    ("promised", "held", "io", "sentence"),
    [
        ("int8", "float32", None, "integer tensors only in an int8 file"),
        ("int8", "dynamic", None, "integer tensors only"),
        ("int8", "int8", "float32", "float32 inputs and outputs; received int8"),
        ("int8", "int8", "uint8", "uint8 inputs and outputs; received int8"),
        ("int16x8", "int8", None, "int16 inputs and outputs"),
        ("int4", "int8", None, "4-bit weights at every CONV_2D; received INT8"),
        ("float16", "float32", None, "float16 weights in a float16 file"),
        ("dynamic", "float32", None, "8-bit weights in a dynamic file"),
        ("float32", "int8", None, "no quantized tensor in a float32 file"),
        ("float32", "dynamic", None, "no quantized tensor in a float32 file"),
    ],
)
def test_a_broken_promise_is_seen(written, promised, held, io, sentence):
    usual = modes.get(held).io[0]
    content = written[held, usual][0].content
    check_content(content, held, targets.HOST)
    with pytest.raises(ConversionError, match=sentence):
        check_content(content, promised, targets.HOST, io=io)


def test_a_model_too_small_for_dynamic(convert_here):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    with pytest.raises(ConversionError, match="fewer than 1,024 elements"):
        convert_here(model, np.ones((4, 3), "float32"), "dynamic", target=targets.HOST)


# ----- refused before the conversion


def tiny():
    return keras.Sequential([keras.Input((3,)), layers.Dense(2)], name="tiny")


@pytest.fixture
def no_conversion(monkeypatch):
    def fail(*arguments, **options):
        raise AssertionError("the bad input was let through")

    monkeypatch.setattr(converting, "_convert", fail)


REFUSED = [
    (target, mode)
    for target in targets.ALL_OBJECTS.values()
    for mode in modes.NAMES
    if mode in target.refused
]


@pytest.mark.parametrize(("target", "mode"), REFUSED)
def test_modes_that_a_target_lacks(target, mode, no_conversion):
    with pytest.raises(InvalidArgumentError) as caught:
        export.to_tflite(tiny(), mode, target=target)
    sentence = str(caught.value)
    assert f"quantization='{mode}' ({target.refused[mode]})" in sentence
    assert "'int8'" in sentence.split("Use ")[1]
    assert mode not in sentence.split("Use ")[1]


def test_there_is_always_a_mode_and_a_target():
    assert REFUSED
    for mode in modes.MODES.values():
        assert "host" in mode.targets and "android-cpu" in mode.targets
    assert modes.get("int8").targets == tuple(targets.ALL_OBJECTS)


@pytest.mark.parametrize(
    ("mode", "io", "target", "sentence"),
    [
        ("int8", "int16", "host", "one of 'int8', 'uint8', 'float32' for .*'int8'"),
        ("int16x8", "int8", "host", "one of 'int16', 'float32' for"),
        ("int4", "uint8", "host", "one of 'int8', 'float32'"),
        ("float32", "int8", "host", "one of 'float32' for quantization='float32'"),
        (None, 8, "host", "io=8"),
        (
            "int8", "float32", replace(targets.CORTEX_M, name="board", io=("int8",)),
            "one of 'int8' for quantization='int8' on target 'board'",
        ),
    ],
)  # fmt: skip
def test_types_outside_that_are_not_to_be_had(
    mode, io, target, sentence, no_conversion
):
    with pytest.raises(InvalidArgumentError, match=sentence):
        export.to_tflite(tiny(), mode, target=target, io=io)


def test_the_usual_type_is_taken_where_none_is_asked_for():
    board = replace(targets.CORTEX_M, name="board", io=("uint8", "float32"))
    assert modes.check_io(modes.get("int8"), None, board) == "uint8"
    assert modes.check_io(modes.get("int8"), None, targets.HOST) == "int8"
    assert modes.check_io(modes.get("dynamic"), None, board) == "float32"


def test_int4_without_its_package(monkeypatch, no_conversion):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == "ai_edge_quantizer" else real(name),
    )
    with pytest.raises(MissingDependencyError, match="pip install ai-edge-quantizer"):
        export.to_tflite(tiny(), "int4", calibration=np.ones((40, 3), "float32"))


def test_the_table_names_every_mode_and_target():
    lines = modes.table().splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(modes.NAMES)
    assert lines[2].endswith("host, android-cpu, cortex-m, ethos-u55, ethos-u85")


# ----- the arithmetic of the border


@pytest.mark.parametrize(
    ("dtype", "wanted"),
    [("uint8", [131, 132, 255, 0]), ("int16", [131, 132, 32767, -32768])],
)
def test_quantize_rounds_then_clips(dtype, wanted):
    spec = TensorSpec("x", (1, 4), dtype, scale=0.5, zero_point=131)
    q = spec.quantize(np.array([0.0, 0.3, 1e6, -1e6]))
    assert q.dtype == dtype
    assert q.tolist() == wanted
    assert spec.dequantize(q)[:2].tolist() == [0.0, 0.5]
