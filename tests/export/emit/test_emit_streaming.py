"""One step per call: the file answers what the whole sequence's model does."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_diffmask import export
from keras_diffmask.errors import (
    ConversionError,
    InvalidArgumentError,
    UnsupportedModelError,
)
from keras_diffmask.export.emit import convert as converting
from keras_diffmask.export.emit.admission import check_model
from keras_diffmask.export.metadata import mark_streaming
from tests.export.emit.conftest import shake

layers = keras.layers
STEPS, FEATURES = 24, 5


def x(count=48):
    generator = np.random.default_rng(7)
    return generator.standard_normal((count, STEPS, FEATURES)).astype("float32")


def model(last_only):
    """Stacked, nested, with every head that works on one step."""
    keras.utils.set_random_seed(13)
    inputs = keras.Input((STEPS, FEATURES))
    inner_inputs = keras.Input((STEPS, 9))
    inner = keras.Model(
        inner_inputs, layers.LSTM(6, return_sequences=True)(inner_inputs)
    )
    h = layers.TimeDistributed(layers.Dense(9, activation="relu"))(inputs)
    h = layers.Dropout(0.3)(layers.BatchNormalization()(h))
    h = inner(h)
    h = layers.Concatenate()([h, keras.ops.take(h * 0.5, [3, 1], axis=-1)])
    last = layers.RNN(layers.LSTMCell(7), return_sequences=not last_only)(h)
    outputs = [layers.Dense(3)(last)]
    if not last_only:
        outputs.append(layers.Dense(2, activation="sigmoid")(h))
    result = keras.Model(inputs, outputs, name="live")
    shake(result)
    return result


@pytest.fixture(scope="module")
def written(convert_once):
    """quantization -> the streaming file of the model that gives all steps."""
    return {
        quantization: convert_once(model(False), x(), quantization, streaming=True)
        for quantization in ("float32", "int8")
    }


def test_float_steps_equal_the_whole_sequence(written):
    artifact = written["float32"]
    assert [spec.shape for spec in artifact.inputs] == [(1, 1, FEATURES)]
    assert [spec.shape for spec in artifact.outputs] == [(1, 1, 3), (1, 1, 2)]
    reference = model(False).predict(x(), verbose=0)
    for ours, wanted in zip(artifact.run(x()), reference, strict=True):
        assert ours.shape == wanted.shape
        np.testing.assert_allclose(ours, wanted, rtol=0, atol=1e-5)


def test_int8_steps_are_within_steps_of_the_scale(written):
    artifact = written["int8"]
    reference = model(False).predict(x(), verbose=0)
    answers = zip(artifact.run(x()), reference, artifact.outputs, strict=True)
    for ours, wanted, spec in answers:
        error = ours - wanted
        assert np.sqrt(np.mean(error**2) / np.mean(wanted**2)) <= 0.03
        assert np.abs(error).max() <= 5 * spec.scale  # measured: 3.4


def test_a_last_output_is_that_of_the_sequence_so_far(convert_here):
    artifact = convert_here(model(True), x(), "float32", streaming=True)
    assert artifact.outputs[0].shape == (1, 3)
    every = model(False).predict(x(), verbose=0)[0]
    np.testing.assert_allclose(artifact.run(x()), every, rtol=0, atol=1e-5)
    assert artifact.agreement.max_error <= 1e-5


def test_state_is_carried_and_reset(written):
    artifact = written["float32"]
    steps = x(2)
    # Any number of steps; a sequence does not hear the one before it.
    longer = np.concatenate([steps, steps], axis=1)
    outputs = artifact.run(longer)[0]
    np.testing.assert_array_equal(outputs[:, :STEPS], artifact.run(steps)[0])
    assert np.abs(outputs[:, STEPS:] - outputs[:, :STEPS]).max() > 0.01
    np.testing.assert_array_equal(outputs[1], artifact.run(longer[1:])[0][0])


def test_microcontroller_runtime_agrees(written):
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    artifact = written["int8"]
    interpreter = runtime.Interpreter.from_bytes(artifact.content, arena_size=100_000)
    wanted = artifact.run(x(8), reference_kernels=True)[0]
    for sequence, answers in zip(x(8), wanted, strict=True):
        interpreter.reset()
        for step, answer in zip(sequence, answers, strict=True):
            quantized = artifact.inputs[0].quantize(step[None, None])
            interpreter.set_input(quantized, 0)
            interpreter.invoke()
            ours = artifact.outputs[0].dequantize(interpreter.get_output(0))
            difference = np.abs(ours[0, 0] - answer).max()
            # Measured: 3, through three LSTMs one behind the other.
            assert difference <= 4.01 * artifact.outputs[0].scale


def test_the_file_says_that_it_streams(written, tmp_path):
    artifact = written["int8"]
    loaded = export.Artifact.load(artifact.save(tmp_path / "live.tflite"))
    assert loaded.streaming and loaded.stateful
    assert "one step" in loaded.state_note and "and only then" in loaded.state_note
    assert ", streaming" in str(loaded) and loaded.state_note in str(loaded)
    np.testing.assert_array_equal(loaded.run(x(2))[0], artifact.run(x(2))[0])
    with pytest.raises(InvalidArgumentError, match=r"shape \(n, steps, 5\)"):
        loaded.run(np.zeros((2, 3, 4)))


def test_a_description_that_cannot_hold_it_is_reported(written):
    content = bytearray(written["int8"].content)
    place = content.index(b"\x09\0\0\0streaming")
    content[place] = 4
    with pytest.raises(ConversionError, match="description of at least 9 characters"):
        mark_streaming(content)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="one is enough")
def test_open_length_and_stateful_through_the_child():
    keras.utils.set_random_seed(14)
    inputs = keras.Input(batch_shape=(1, None, FEATURES), name="sensor")
    h = layers.LSTM(6, stateful=True, return_sequences=True)(inputs)
    live = keras.Model(inputs, layers.Dense(2)(h))
    artifact = export.to_tflite(live, "int8", calibration=x(), streaming=True)
    assert artifact.streaming and artifact.agreement.relative_error < 0.03


def open_gru(name):
    inputs = keras.Input((None, FEATURES))
    return keras.Model(inputs, layers.GRU(3, name=name)(inputs))


def test_an_open_length_is_given_as_steps(convert_here):
    artifact = convert_here(open_gru("g"), x()[:, :3], "float32", steps=3)
    assert artifact.inputs[0].shape == (1, 3, FEATURES)
    assert artifact.agreement.max_error <= 1e-5
    assert artifact.state_note == ""


def test_the_cost_of_unrolling_is_said_before_and_kept(written, monkeypatch):
    orders = []

    def convert(model, order, *others):
        orders.append(order)
        agreement = dataclasses.asdict(written["float32"].agreement)
        return written["float32"].content, {"agreement": agreement}

    monkeypatch.setattr(converting, "_convert", convert)
    with pytest.warns(UserWarning, match="'g' .* unrolled: .* 36 for its 3 steps"):
        artifact = export.to_tflite(open_gru("g"), steps=3)
    (order,) = orders
    assert (order["quantization"], order["steps"]) == ("float32", 3)
    assert order["streaming"] is False
    assert len(artifact.notes) == 1 and artifact.notes[0] in artifact.summary()


def test_tokens_stream_in_operators_that_a_microcontroller_has(convert_here):
    tokens = np.random.default_rng(1).integers(0, 30, (48, 12)).astype("int32")
    inputs = keras.Input((None,), dtype="int32")
    h = layers.LSTM(6, return_sequences=True)(layers.Embedding(30, 7)(inputs))
    live = keras.Model(inputs, layers.Dense(4)(h))
    shake(live)
    wanted = live.predict(tokens, verbose=0)
    artifact = convert_here(live, tokens, streaming=True)
    assert artifact.ops == ("GATHER", "UNIDIRECTIONAL_SEQUENCE_LSTM", "FULLY_CONNECTED")
    assert (artifact.inputs[0].shape, artifact.inputs[0].dtype) == ((1, 1), "int32")
    error = artifact.run(tokens) - wanted
    assert np.sqrt(np.mean(error**2) / np.mean(wanted**2)) <= 0.03


# ----- what cannot stream


def with_layers(*stack, steps=STEPS):
    return keras.Sequential([keras.Input((steps, FEATURES)), *stack])


def two_inputs():
    sequence, side = keras.Input((STEPS, FEATURES)), keras.Input((3,), name="side")
    h = layers.Concatenate()([layers.LSTM(3)(sequence), side])
    return keras.Model([sequence, side], h)


def lstm(**arguments):
    return layers.LSTM(3, name="l", **arguments)


TABLE = np.ones((STEPS, FEATURES), "float32")


def with_operator(function):
    inputs = keras.Input((STEPS, FEATURES))
    y = function(inputs)
    y._keras_history.operation.name = "o"
    return keras.Model(inputs, layers.LSTM(3)(y))


def number_beside_a_sequence():
    inputs, which = keras.Input((STEPS, FEATURES)), keras.Input((1,), dtype="int32")
    which._keras_history.operation.name = which.name = "which"
    y = layers.Add()([inputs, layers.Embedding(4, FEATURES)(which)])
    return keras.Model([inputs, which], layers.LSTM(3)(y))


def recurrent_in_each_step():
    inputs = keras.Input((STEPS, 4, FEATURES))
    y = layers.TimeDistributed(layers.LSTM(5), name="t")(inputs)
    return keras.Model(inputs, layers.LSTM(3)(y))


REFUSED = {
    "no recurrence": (
        lambda: with_layers(layers.Dense(2)),
        "at least one LSTM .*without a recurrent layer",
    ),
    "convolution": (
        lambda: with_layers(layers.Conv1D(3, 3, name="c"), lstm()),
        r"'c' \(Conv1D\), which works on several steps at once",
    ),
    "pooling behind": (
        lambda: with_layers(
            lstm(return_sequences=True), layers.GlobalMaxPooling1D(name="p")
        ),
        r"'p' \(GlobalMaxPooling1D\), which works on several steps",
    ),
    "norm over steps": (
        lambda: with_layers(layers.BatchNormalization(axis=1, name="n"), lstm()),
        r"'n' \(BatchNormalization\)",
    ),
    "backwards": (
        lambda: with_layers(lstm(go_backwards=True)),
        r"'l' \(LSTM\), which begins with the last step",
    ),
    "bidirectional": (
        lambda: with_layers(layers.Bidirectional(layers.LSTM(3), name="b")),
        r"'b' \(Bidirectional\), which reads the sequence from its end too",
    ),
    "decoder": (
        lambda: with_layers(
            layers.LSTM(3), layers.RepeatVector(4), layers.LSTM(3, name="d")
        ),
        "'d' .*reads a sequence made inside the model",
    ),
    "gru": (
        lambda: with_layers(layers.GRU(3, name="g")),
        r"layer 'g' \(it is a GRU\).*initial_state=, return_state=True",
    ),
    "side input": (two_inputs, "sequences of one length as the only .*'side'"),
    "number beside a sequence": (
        number_beside_a_sequence,
        r"as the only inputs with .*'which' of shape \(None, 1\)",
    ),
    "table of positions": (
        lambda: with_operator(lambda x: x + TABLE),
        r"'o' \(Add\), which holds another constant for each step",
    ),
    "limits": (
        lambda: with_operator(lambda x: keras.ops.clip(x, -TABLE, TABLE)),
        r"'o' \(Clip\), which holds another constant for each step",
    ),
    "rescaling by position": (
        lambda: with_layers(layers.Rescaling(TABLE, name="r"), lstm()),
        r"'r' \(Rescaling\), which holds another constant for each step",
    ),
    "last state on the sequence": (
        lambda: with_operator(
            lambda x: layers.Multiply(name="o")(
                [x, layers.Reshape((1, FEATURES))(layers.LSTM(FEATURES)(x))]
            )
        ),
        r"'o' \(Multiply\), which joins a step with what is no step",
    ),
    "repeated onto the sequence": (
        lambda: with_operator(
            lambda x: x + layers.RepeatVector(STEPS)(layers.LSTM(FEATURES)(x))
        ),
        r"'o' \(Add\), which joins a step with what is no step",
    ),
    "an activation over steps": (
        lambda: with_layers(
            layers.Activation(lambda x: keras.ops.cumsum(x, axis=1), name="a"), lstm()
        ),
        r"'a' \(Activation\), which works on several steps at once",
    ),
    "a recurrent layer in each step": (
        recurrent_in_each_step,
        r"'t' \(TimeDistributed\), which runs a recurrent layer anew at every step",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_stream_is_named(case):
    build, sentence = REFUSED[case]
    with pytest.raises(UnsupportedModelError, match=sentence) as caught:
        check_model(build(), streaming=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("steps", "arguments", "sentence"),
    [
        (STEPS, {"steps": 9}, "steps=None for a model whose Input has a fixed length"),
        (None, {"steps": 0}, "steps as a whole number of at least 1.*steps=0"),
        (None, {"steps": True}, "steps=True"),
        (None, {"steps": 9, "streaming": True}, "steps=None with streaming=True"),
    ],
)
def test_steps_that_do_not_fit(steps, arguments, sentence):
    with pytest.raises(InvalidArgumentError, match=sentence):
        check_model(with_layers(lstm(), steps=steps), **arguments)


def test_a_gru_streams_with_its_state_as_input_and_output(convert_here):
    # What the refusal of a GRU tells the user to do.
    keras.utils.set_random_seed(15)
    step, state = keras.Input((1, FEATURES)), keras.Input((4,))
    gru = layers.GRU(4, return_state=True)
    y, after = gru(step, initial_state=state)
    live = keras.Model([step, state], [layers.Dense(2)(y), after])
    whole_inputs = keras.Input((STEPS, FEATURES))
    whole = keras.Model(whole_inputs, gru(whole_inputs)[1])
    wanted = whole.predict(x(2), verbose=0)
    states = np.random.default_rng(0).uniform(-1, 1, (48, 4)).astype("float32")
    artifact = convert_here(live, [x()[:, 0:1], states], "float32")
    assert not artifact.stateful
    carried = np.zeros((2, 4), "float32")
    for t in range(STEPS):
        carried = artifact.run([x(2)[:, t : t + 1], carried])[1]
    np.testing.assert_allclose(carried, wanted, rtol=0, atol=1e-5)
