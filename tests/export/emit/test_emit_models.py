"""Law 6 over many small graphs, converted without the child process."""

from functools import partial

import keras
import numpy as np
import pytest

from keras_diffmask.errors import ConversionError
from keras_diffmask.export.tflm import has_tflm, run_tflm

layers = keras.layers
RNG = np.random.default_rng(3)


def x(*shape):
    return RNG.standard_normal((64, *shape)).astype("float32")


def lstm(**arguments):
    inputs = keras.Input((8, 5))
    return keras.Model(inputs, layers.LSTM(6, **arguments)(inputs)), x(8, 5)


def lstm_unrolled():
    return lstm(unroll=True, dropout=0.3, recurrent_dropout=0.2)


def lstm_sequence_backwards():
    return lstm(return_sequences=True, go_backwards=True)


def lstm_without_bias():
    return lstm(use_bias=False)


def rnn_around_a_cell():
    inputs = keras.Input((8, 5))
    return keras.Model(inputs, layers.RNN(layers.LSTMCell(4))(inputs)), x(8, 5)


def shared_lstm():
    shared = layers.LSTM(4)
    inputs = keras.Input((8, 5))
    outputs = layers.Add()([shared(inputs), shared(inputs * 0.5)])
    return keras.Model(inputs, outputs), x(8, 5)


def nested_sequential():
    inner = keras.Sequential([keras.Input((8, 5)), layers.LSTM(4), layers.Dense(3)])
    inputs = keras.Input((8, 5))
    return keras.Model(inputs, layers.Softmax()(inner(inputs))), x(8, 5)


def convolution_then_lstm():
    return keras.Sequential(
        [
            keras.Input((12, 5)),
            layers.Conv1D(4, 3),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling1D(),
            layers.LSTM(6),
        ]
    ), x(12, 5)


def kept_inputs_by_take():
    inputs = keras.Input((6, 8))
    h = keras.ops.take(inputs, [1, 3, 4, 6], axis=-1)
    h = keras.ops.take(layers.LSTM(5)(h), [4, 0, 2], axis=-1)
    return keras.Model(inputs, layers.Dense(3)(h)), x(6, 8)


def forward_beside_backward():
    inputs = keras.Input((8, 5))
    there = layers.LSTM(6, return_sequences=True)(inputs)
    back = layers.LSTM(6, return_sequences=True, go_backwards=True)(inputs)
    h = layers.Concatenate()([there, keras.ops.flip(back, axis=1)])
    return keras.Model(inputs, layers.Flatten()(h)), x(8, 5)


def two_in_two_out():
    # Names and order on purpose against the alphabet and the graph's order.
    image, side = keras.Input((6, 6, 4), name="z b"), keras.Input((3,), name="a")
    h = layers.GlobalAveragePooling2D()(layers.Conv2D(5, 3)(image))
    h = layers.Concatenate()([side, h])
    outputs = [layers.Dense(2)(h), layers.Dense(3, activation="softmax")(h)]
    return keras.Model([image, side], outputs), [x(6, 6, 4), x(3)]


def concatenate_and_reshape():
    inputs = keras.Input((4, 4, 3))
    a = layers.Conv2D(3, 1, activation="sigmoid")(inputs)
    b = layers.AveragePooling2D(2, 1, padding="same")(inputs)
    h = layers.Reshape((16, 6))(layers.Concatenate()([a, b]))
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(h))), x(4, 4, 3)


def mixed_precision():
    policy = keras.DTypePolicy("mixed_bfloat16")
    inputs = keras.Input((8, 5))
    h = layers.LSTM(6, dtype=policy)(inputs)
    return keras.Model(inputs, layers.Dense(3, dtype=policy)(h)), x(8, 5)


def _attention(policy):
    policy = keras.DTypePolicy(policy)
    inputs = keras.Input((6, 8))
    h = layers.MultiHeadAttention(2, 4, dtype=policy)(inputs, inputs)
    return keras.Model(inputs, layers.Dense(3, dtype=policy)(h)), x(6, 8)


def mixed_bfloat16_attention():
    return _attention("mixed_bfloat16")


def mixed_float16_attention():
    return _attention("mixed_float16")


BUILDERS = [
    lstm,
    lstm_unrolled,
    lstm_sequence_backwards,
    lstm_without_bias,
    rnn_around_a_cell,
    shared_lstm,
    nested_sequential,
    convolution_then_lstm,
    kept_inputs_by_take,
    forward_beside_backward,
    two_in_two_out,
    concatenate_and_reshape,
    mixed_precision,
    mixed_bfloat16_attention,
    mixed_float16_attention,
]


@pytest.mark.parametrize("quantization", ["float32", "int8"])
@pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__name__)
def test_file_agrees_with_keras(build, quantization, convert_here):
    keras.utils.set_random_seed(4)
    model, samples = build()
    artifact = convert_here(model, samples, quantization)
    if quantization == "float32":
        assert artifact.agreement.max_error <= 1e-5
    else:
        assert artifact.agreement.relative_error <= 0.05
        assert artifact.quantization == "int8"


def test_inputs_and_outputs_keep_their_order(convert_here):
    artifact = convert_here(*two_in_two_out(), "float32")
    assert [spec.name for spec in artifact.inputs] == ["z_b", "a"]
    assert [spec.name for spec in artifact.outputs] == ["output_0", "output_1"]
    assert [spec.shape for spec in artifact.outputs] == [(1, 2), (1, 3)]


#: Names of inputs -> what they are called in the file.
NAMES = {
    ("größe", "z.1"): ["gr__e", "z_1"],
    ("_x", "1st"): ["x_x", "1st"],
    ("in", "日本"): ["xin", "x__"],
    # TensorFlow does not tell them apart.
    ("ä", "ö"): ["input_0", "input_1"],
    ("a", "A"): ["input_0", "input_1"],
}


@pytest.mark.parametrize("names", NAMES, ids=" ".join)
def test_any_name_of_an_input_converts(names, convert_here):
    inputs = [keras.Input((4,), name=name) for name in names]
    model = keras.Model(inputs, layers.Dense(2)(layers.Concatenate()(inputs)))
    artifact = convert_here(model, [x(4), 2 * x(4)])
    assert [spec.name for spec in artifact.inputs] == NAMES[names]
    assert artifact.agreement.relative_error <= 0.05


def an_output_that_vanishes():
    inputs = keras.Input((6,))
    h = layers.Dense(4, "relu")(inputs)
    return keras.Model(inputs, [h, layers.Dense(4)(h), layers.Dropout(0.5)(h)])


def an_output_of_another_shape():
    inputs = keras.Input((6,))
    h = layers.Dense(4, "relu")(inputs)
    return keras.Model(inputs, [h, layers.Dense(2)(h), h])


def an_input_as_output():
    inputs = keras.Input((6,), name="given")
    return keras.Model(inputs, [inputs, layers.Dense(2)(inputs), inputs])


def a_layer_called_twice():
    inputs, dense = keras.Input((6,)), layers.Dense(4)
    return keras.Model(inputs, [layers.Dense(3)(inputs), dense(inputs), dense(inputs)])


@pytest.mark.parametrize("quantization", ["float32", "float16", "int8"])
@pytest.mark.parametrize(
    "build",
    [
        an_output_that_vanishes,
        an_output_of_another_shape,
        an_input_as_output,
        a_layer_called_twice,
    ],
    ids=lambda build: build.__name__,
)
def test_one_tensor_is_several_outputs(build, quantization, convert_here):
    keras.utils.set_random_seed(4)
    model, samples = build(), x(6)
    wanted = [keras.ops.convert_to_numpy(y) for y in model(samples, training=False)]
    artifact = convert_here(model, samples, quantization)
    assert [one.name for one in artifact.inputs] != ["output_2"]
    assert [one.name for one in artifact.outputs] == [
        "output_0",
        "output_1",
        "output_2",
    ]
    # TFLM's kernels have no float16.
    runs = [artifact.run, partial(run_tflm, artifact)][: 1 + has_tflm()]
    for run in runs[:1] if quantization == "float16" else runs:
        for ours, theirs in zip(run(samples), wanted, strict=True):
            limit = 0.05 if quantization == "int8" else 2e-3
            np.testing.assert_allclose(ours, theirs, atol=limit)


def test_an_input_that_is_an_output_of_another_type_is_refused(convert_here):
    with pytest.raises(ConversionError, match="received input 'given', which is"):
        convert_here(an_input_as_output(), x(6), io="uint8")
    artifact = convert_here(an_output_that_vanishes(), x(6), io="uint8")
    assert artifact.agreement.relative_error <= 0.05


def test_long_sequences_convert_as_fast_as_short_ones(convert_here):
    inputs = keras.Input((1000, 3))
    model = keras.Model(inputs, layers.LSTM(4)(inputs))
    artifact = convert_here(model, x(1000, 3)[:4], "float32")
    assert artifact.nbytes < 5_000  # one operator, not 1000 steps


def test_same_model_same_bytes(convert_here):
    first, second = (
        convert_here(*forward_beside_backward_seeded(), "int8") for _ in range(2)
    )
    assert first.nbytes == second.nbytes
    assert first.ops == second.ops


def forward_beside_backward_seeded():
    keras.utils.set_random_seed(4)
    return forward_beside_backward()
