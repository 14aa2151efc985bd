"""Int8 LSTMs over 128 steps: Keras, LiteRT and a microcontroller's interpreter.

On windows of UCI HAR where they are at hand, on made-up ones everywhere.
"""

import os
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask.export.evidence.lstm_int8.step import lstm_differences
from tests.export.emit.conftest import shake

layers = keras.layers
LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"
ROOT = Path(__file__).resolve().parents[3]
DATA = Path(os.environ.get("KERAS_DIFFMASK_DATA", ROOT.parent / "shared" / "data"))
STEPS, CHANNELS, CLASSES, COMPARED = 128, 9, 6, 200


def real_windows():
    """Windows and labels: 600 to fit and calibrate, then 200 of other persons."""
    if not (DATA / "uci_har").is_dir():
        pytest.skip("uci_har: not in KERAS_DIFFMASK_DATA or ../shared/data")
    parts = []
    for split, count in (("train", 600), ("test", COMPARED)):
        with np.load(DATA / "uci_har" / f"har_{split}.npz") as stored:
            x, y = stored["x"].astype("float32"), stored["y"].astype("int64")
        chosen = np.random.default_rng(0).choice(len(x), count, replace=False)
        parts.append((x[chosen], y[chosen]))
    return tuple(np.concatenate(pair) for pair in zip(*parts, strict=True))


def made_up_windows():
    """Six rhythms in nine channels, with phases and noise."""
    generator = np.random.default_rng(0)
    y = generator.integers(0, CLASSES, 600 + COMPARED)
    phase = generator.uniform(0, 2 * np.pi, (len(y), 1, CHANNELS))
    turns = 2 * np.pi * (y + 1)[:, None, None] * np.arange(STEPS)[:, None] / STEPS
    size = generator.uniform(0.5, 1.5, (CLASSES, 1, CHANNELS))[y]
    noise = generator.normal(0, 0.3, (len(y), STEPS, CHANNELS))
    return (size * np.sin(turns + phase) + noise).astype("float32"), y


def plain(inputs):
    return layers.LSTM(32, name="l")(inputs)


def stacked(inputs):
    h = layers.LSTM(24, return_sequences=True)(inputs)
    return layers.LSTM(17)(h)


def bidirectional(inputs):
    h = layers.Bidirectional(layers.LSTM(12, return_sequences=True))(inputs)
    return layers.GlobalAveragePooling1D()(h)


def after_convolution(inputs):
    h = layers.Conv1D(16, 5, strides=2, use_bias=False)(inputs)
    h = layers.ReLU()(layers.BatchNormalization()(h))
    return layers.LSTM(20)(layers.MaxPooling1D()(h))


def pruned(inputs):
    """Before the strip: 64 hidden neurons, 32 inputs."""
    h = layers.Dense(32, name="wide")(inputs)
    return kd.layers.MaskedLSTM(
        64,
        input_estimator="hard_concrete",
        hidden_estimator="hard_concrete",
        name="masked",
    )(h)


BUILDERS = [plain, pruned, stacked, bidirectional, after_convolution]
OPS = {
    "plain": (LSTM, "STRIDED_SLICE", "FULLY_CONNECTED"),
    "pruned": ("FULLY_CONNECTED", LSTM, "STRIDED_SLICE", "FULLY_CONNECTED"),
    "stacked": (LSTM, LSTM, "STRIDED_SLICE", "FULLY_CONNECTED"),
    "bidirectional": (
        *(LSTM, "REVERSE_V2", LSTM, "REVERSE_V2"),
        *("CONCATENATION", "MEAN", "FULLY_CONNECTED"),
    ),
    "after_convolution": (
        *("RESHAPE", "CONV_2D", "MAX_POOL_2D", "RESHAPE"),
        *(LSTM, "STRIDED_SLICE", "FULLY_CONNECTED"),
    ),
}


def make(build, x, y):
    """A model with random LSTMs and a head fitted to tell the classes apart."""
    keras.utils.set_random_seed(21)
    inputs = keras.Input((STEPS, CHANNELS))
    model = keras.Model(
        inputs, layers.Dense(CLASSES)(build(inputs)), name=build.__name__
    )
    shake(model)
    if build is pruned:
        model = strip(model)
    head = model.layers[-1]
    features = keras.Model(model.input, head.input)
    known = features.predict(x, verbose=0, batch_size=200).astype("float64")
    known = np.column_stack([known, np.ones(len(known))])
    ridge = known.T @ known + 1e-2 * len(known) * np.eye(known.shape[1])
    weights = np.linalg.solve(ridge, known.T @ np.eye(CLASSES)[y])
    head.set_weights([weights[:-1], weights[-1]])
    return model


def strip(model):
    """Closes the gates on 13 of 32 inputs and on 27 of 64 hidden neurons."""
    masked = model.get_layer("masked")
    for gate, kept in ((masked.input_gate, 19), (masked.hidden_gate, 37)):
        size = gate.raw_logits.shape[0]
        open_ = np.random.default_rng(2).permutation(size) < kept
        gate.raw_logits.assign(np.where(open_, 9.0, -9.0) / gate.logit_scale)
    slim = export.strip(model)
    lstm = next(layer for layer in slim.layers if isinstance(layer, layers.LSTM))
    assert tuple(lstm.cell.kernel.shape) == (19, 4 * 37)
    return slim


@pytest.fixture(scope="module", params=["made up", "uci_har"])
def written(request, convert_once):
    """Name -> (artifact, unseen windows, what Keras answers for them)."""
    x, y = real_windows() if request.param == "uci_har" else made_up_windows()
    known, unseen = slice(0, 600), slice(600, None)
    found = {}
    for build in BUILDERS:
        model = make(build, x[known], y[known])
        wanted = model.predict(x[unseen], verbose=0)
        artifact = convert_once(model, x[:128])
        found[build.__name__] = artifact, x[unseen], wanted
    return found


@pytest.mark.parametrize("name", OPS)
def test_int8_file_has_the_fused_operators_and_no_others(written, name):
    artifact = written[name][0]
    assert sorted(artifact.ops) == sorted(OPS[name])
    assert artifact.quantization == "int8"


@pytest.mark.parametrize("name", OPS)
def test_int8_error_over_128_steps(written, name):
    artifact, x, wanted = written[name]
    ours = artifact.run(x, reference_kernels=True)
    share = np.sqrt(np.mean((ours - wanted) ** 2) / np.mean(wanted**2))
    same = np.mean(ours.argmax(-1) == wanted.argmax(-1))
    print(f"{name}: int8 error {share:.2%} of the output (rms); argmax {same:.1%}")
    assert share <= 0.03


@pytest.mark.parametrize("name", OPS)
def test_microcontroller_runtime_agrees_over_128_steps(written, name):
    artifact, x, _ = written[name]
    spec = artifact.outputs[0]
    ours = answers_of_tflm(artifact, x)
    theirs = artifact.run(x, reference_kernels=True)
    steps = np.rint((ours - theirs) / spec.scale).astype(int)
    values, counts = np.unique(steps, return_counts=True)
    spread = ", ".join(
        f"{v:+d}: {c / steps.size:.2%}" for v, c in zip(values, counts, strict=True)
    )
    agree = same_choice(ours, theirs)
    same = np.mean(ours.argmax(-1) == theirs.argmax(-1))
    print(
        f"{name}: TFLM - LiteRT in steps of the scale {spread}; "
        f"argmax equal {same:.1%}, but for ties {agree:.1%}"
    )
    assert np.abs(steps).max() <= 2
    assert agree >= 0.99


@pytest.mark.parametrize("name", OPS)
def test_one_step_takes_the_runtimes_at_most_one_apart(written, name):
    pytest.importorskip("tflite_micro")
    artifact, x, _ = written[name]
    integers = artifact.inputs[0].quantize(x[:4])
    for found in lstm_differences(artifact.content, integers):
        assert np.abs(found.step).max() <= 1
        assert np.mean(found.step != 0) < 0.03


def test_a_recurrence_that_amplifies_takes_them_further(convert_here):
    """What a step leaves is carried on by the network: other scales do not mend it."""
    pytest.importorskip("tflite_micro")
    x, y = made_up_windows()
    model = make(plain, x[:600], y[:600])
    kernel, recurrent, bias = model.get_layer("l").get_weights()
    model.get_layer("l").set_weights([kernel, 6 * recurrent, bias])
    artifact = convert_here(model, x[:64])
    integers = artifact.inputs[0].quantize(x[600:608])
    (found,) = lstm_differences(artifact.content, integers)
    assert np.abs(found.step).max() <= 1
    assert np.abs(found.sequence).max() > 2
    # So does LiteRT from itself, where as many entries of h are moved by one.
    assert np.abs(found.nudged).max() > 2
    early, late = (np.mean(found.sequence[:, t] != 0) for t in (0, -1))
    assert late > 2 * early


def same_choice(ours, theirs):
    """Share of examples whose best class is the same, or tied, in both.

    Scores are integers, and two classes are equal in some 1 % of the examples:
    which of them `argmax` takes says nothing.
    """
    rows = np.arange(len(ours))
    tied = ours[rows, theirs.argmax(-1)] == ours.max(-1)
    tied |= theirs[rows, ours.argmax(-1)] == theirs.max(-1)
    return np.mean(tied)


def answers_of_tflm(artifact, x):
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    interpreter = runtime.Interpreter.from_bytes(artifact.content, arena_size=200_000)
    answers = []
    for window in x:
        interpreter.reset()
        interpreter.set_input(artifact.inputs[0].quantize(window[None]), 0)
        interpreter.invoke()
        answers.append(artifact.outputs[0].dequantize(interpreter.get_output(0)))
    return np.concatenate(answers)


def test_without_the_repair_the_runtimes_part(convert_here):
    x, y = made_up_windows()
    broken = convert_here(make(bidirectional, x, y), x[:64], repair=False)
    difference = answers_of_tflm(broken, x[:20]) - broken.run(x[:20], True)
    assert np.abs(difference).max() > 2.5 * broken.outputs[0].scale


def test_a_benchmark_says_on_which_kernel_its_times_hold(written):
    artifact = written["plain"][0]
    result = export.benchmark([artifact], rounds=2, seconds=0.01, warmup=1)
    assert "portable kernel, for XNNPACK has none" in result["plain"].note
    table = " ".join(result.table().split())
    assert result["plain"].note in table
    assert type(result).from_json(result.to_json()) == result
