"""What models become, against files that TensorFlow 2.21 wrote of them."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers

import keras_diffmask as kd
from keras_diffmask.costs import Gating, Ram, device_cost
from keras_diffmask.errors import BudgetError
from keras_diffmask.graph import trace
from keras_diffmask.lowering import TABLE, compiled
from tests.laws.zoo import conv, head


def _operators(model: keras.Model) -> str:
    cost = device_cost("ram", Gating.without_gates(trace(model)))
    return " ".join(op.kind for op in compiled(cost.program).ops)


def _chain(shape: tuple[int, ...], *chain: layers.Layer) -> keras.Model:
    return keras.Sequential([keras.Input(shape), *chain])


IMAGE = (8, 8, 3)

#: Layers -> the operators of the int8 file that the converter wrote.
FILES = [
    ([conv(8), layers.BatchNormalization(), layers.ReLU()], "CONV_2D"),
    ([conv(8, activation="relu"), layers.BatchNormalization()], "CONV_2D MUL ADD"),
    ([conv(8, activation="silu")], "CONV_2D LOGISTIC MUL"),
    ([conv(8), layers.MaxPooling2D(), layers.ReLU()], "CONV_2D MAX_POOL_2D"),
    ([conv(8, activation="elu")], "CONV_2D DEQUANTIZE ELU QUANTIZE"),
    ([layers.ZeroPadding2D(1), conv(8, padding="valid")], "CONV_2D"),
    ([layers.ZeroPadding2D(2), conv(8, padding="valid")], "PAD CONV_2D"),
    (
        [layers.ZeroPadding2D(((0, 1), (0, 1))), conv(8, padding="valid", strides=2)],
        "CONV_2D",
    ),
    ([layers.Rescaling(1 / 255), conv(4)], "CONV_2D"),
    ([layers.Rescaling(1 / 255, -0.5), conv(4)], "MUL ADD CONV_2D"),
    (
        [conv(8), layers.GlobalAveragePooling2D(), layers.Flatten(), layers.Dense(3)],
        "CONV_2D MEAN FULLY_CONNECTED",
    ),
    ([layers.Dropout(0.1), layers.SeparableConv2D(8, 3)], "DEPTHWISE_CONV_2D CONV_2D"),
    ([conv(4, activation="hard_sigmoid")], "CONV_2D MUL"),
]
SEQUENCES = [
    (
        [
            layers.Conv1D(8, 3, 2, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling1D(),
            layers.LSTM(6, return_sequences=True, go_backwards=True),
            layers.LSTM(5),
            layers.Dense(4, activation="softmax"),
        ],
        "RESHAPE CONV_2D MAX_POOL_2D RESHAPE REVERSE_V2 UNIDIRECTIONAL_SEQUENCE_LSTM "
        "UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE FULLY_CONNECTED SOFTMAX",
    ),
    (
        [layers.Conv1D(6, 3, padding="causal"), layers.GlobalAveragePooling1D()],
        "PAD RESHAPE CONV_2D RESHAPE MEAN",
    ),
    (
        [layers.LSTM(6), layers.BatchNormalization(), layers.Dense(3)],
        "UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE FULLY_CONNECTED",
    ),
    (
        [layers.Conv1D(8, 3), layers.Conv1D(8, 3), layers.Flatten(), layers.Dense(2)],
        "RESHAPE CONV_2D CONV_2D RESHAPE FULLY_CONNECTED",
    ),
]


_STEP = "FULLY_CONNECTED ADD LOGISTIC SPLIT FULLY_CONNECTED MUL ADD TANH SUB MUL ADD"
_CENTRED = (
    "MEAN DEQUANTIZE NEG QUANTIZE SQUARED_DIFFERENCE MEAN ADD RSQRT MUL MUL ADD MUL ADD"
)
#: Of inputs with 3 steps, and 4 features.
STEPS = [
    (
        [layers.GRU(5)],
        "FULLY_CONNECTED STRIDED_SLICE SPLIT ADD LOGISTIC SPLIT MUL FULLY_CONNECTED "
        f"STRIDED_SLICE SPLIT ADD TANH MUL SUB {_STEP} {_STEP}",
    ),
    (
        [layers.GRU(5, reset_after=False, use_bias=False), layers.Dense(2)],
        "FULLY_CONNECTED STRIDED_SLICE SPLIT LOGISTIC STRIDED_SLICE FULLY_CONNECTED "
        "STRIDED_SLICE SPLIT TANH MUL SUB "
        + 2
        * "FULLY_CONNECTED ADD LOGISTIC SPLIT MUL FULLY_CONNECTED ADD TANH SUB MUL ADD "
        + "FULLY_CONNECTED",
    ),
    (
        [layers.SimpleRNN(5, return_sequences=True), layers.GlobalAveragePooling1D()],
        "FULLY_CONNECTED STRIDED_SLICE SPLIT TANH QUANTIZE FULLY_CONNECTED ADD TANH "
        "QUANTIZE FULLY_CONNECTED ADD TANH QUANTIZE PACK MEAN",
    ),
    (
        [layers.Bidirectional(layers.LSTM(5, return_sequences=True))],
        "REVERSE_V2 UNIDIRECTIONAL_SEQUENCE_LSTM REVERSE_V2 "
        "UNIDIRECTIONAL_SEQUENCE_LSTM CONCATENATION",
    ),
    (
        [layers.Bidirectional(layers.LSTM(5), merge_mode="ave"), layers.Dense(2)],
        "REVERSE_V2 UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE "
        "UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE ADD FULLY_CONNECTED",
    ),
    ([layers.TimeDistributed(layers.Dense(7, "relu"))], "FULLY_CONNECTED"),
    (
        [
            layers.TimeDistributed(layers.Dense(4, "tanh")),
            layers.TimeDistributed(layers.BatchNormalization()),
            layers.LSTM(4),
        ],
        "FULLY_CONNECTED TANH MUL ADD RESHAPE UNIDIRECTIONAL_SEQUENCE_LSTM "
        "STRIDED_SLICE",
    ),
    ([layers.LayerNormalization()], _CENTRED),
    (
        [layers.GroupNormalization(2), layers.Dense(2)],
        f"RESHAPE {_CENTRED} RESHAPE FULLY_CONNECTED",
    ),
    (
        [layers.RMSNormalization(), layers.Dense(2)],
        "DEQUANTIZE SQUARE QUANTIZE MEAN ADD RSQRT MUL FULLY_CONNECTED",
    ),
    ([layers.EinsumDense("abc,cd->abd", (3, 7), "relu", "d")], "FULLY_CONNECTED"),
    (
        [layers.EinsumDense("abc,bd->adc", (5, 4)), layers.Dense(2)],
        "TRANSPOSE FULLY_CONNECTED TRANSPOSE FULLY_CONNECTED",
    ),
]
#: Of inputs with 3 steps, of 8 x 8 pictures.
PICTURES = (
    [
        layers.TimeDistributed(layers.Conv2D(5, 3)),
        layers.TimeDistributed(layers.BatchNormalization()),
        layers.TimeDistributed(layers.ReLU()),
        layers.TimeDistributed(layers.MaxPooling2D()),
        layers.TimeDistributed(layers.Flatten()),
        layers.LSTM(4),
    ],
    "RESHAPE CONV_2D MAX_POOL_2D RESHAPE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE",
)


@pytest.mark.parametrize(("chain", "operators"), FILES, ids=range(len(FILES)))
def test_chains_of_images(chain: list[layers.Layer], operators: str) -> None:
    assert _operators(_chain(IMAGE, *chain)) == operators


@pytest.mark.parametrize(("chain", "operators"), SEQUENCES, ids=range(len(SEQUENCES)))
def test_chains_of_sequences(chain: list[layers.Layer], operators: str) -> None:
    assert _operators(_chain((20, 3), *chain)) == operators


@pytest.mark.parametrize(("chain", "operators"), STEPS, ids=range(len(STEPS)))
def test_chains_of_steps(chain: list[layers.Layer], operators: str) -> None:
    assert _operators(_chain((3, 4), *chain)).split() == operators.split()


def test_chain_of_pictures() -> None:
    chain, operators = PICTURES
    assert _operators(_chain((3, 8, 8, 2), *chain)) == operators


def test_pieces_of_a_sequence_are_cut_ahead_of_its_steps() -> None:
    """As TensorFlow orders them: rows of 19 steps, in pieces of 8."""
    kinds = _operators(_chain((19, 4), layers.GRU(5))).split()
    assert kinds[:18].count("SPLIT") == 7
    assert kinds[7:18] == [*["STRIDED_SLICE", "SPLIT"] * 2, *kinds[11:18]]
    assert len(kinds) == 220


def test_attention() -> None:
    inputs = keras.Input((5, 8))
    model = keras.Model(inputs, layers.MultiHeadAttention(3, 4)(inputs, inputs))
    kinds = _operators(model).split()
    assert sorted(kinds) == sorted(
        ["FULLY_CONNECTED", "RESHAPE", "TRANSPOSE"] * 4
        + ["BATCH_MATMUL", "MUL", "SOFTMAX", "BATCH_MATMUL"]
    )


def test_table_and_its_way_back_are_two_constants() -> None:
    inputs = keras.Input((6,), dtype="int32")
    table = layers.ReversibleEmbedding(16, 8)
    model = keras.Model(inputs, table(table(inputs), reverse=True))
    assert _operators(model) == "LESS ADD SELECT GATHER FULLY_CONNECTED"
    flash = device_cost("flash", Gating.without_gates(trace(model)))
    weights = [w for op in flash.program.ops for w in op.weights if w.bytes == 1]
    assert [w.size.of([1.0]) for w in weights] == [128, 128]
    assert len({w.key for w in weights}) == 2


def test_order_of_branches_is_that_of_their_names() -> None:
    inputs = keras.Input(IMAGE)
    x = conv(8, name="stem")(inputs)
    last = conv(4, name="z_short")(x)
    first = conv(4, name="a_inner")(conv(4, name="b_outer")(x))
    model = keras.Model(inputs, layers.Concatenate()([last, first]))
    program = compiled(device_cost("ram", Gating.without_gates(trace(model))).program)
    names = [op.name for op in program.ops if op.kind == "CONV_2D"]
    assert names == ["stem", "b_outer", "a_inner", "z_short"]


def test_arena_by_hand() -> None:
    """A residual block: input, trunk and branch meet at the ADD."""
    inputs = keras.Input(IMAGE)
    x = conv(8, activation="relu", name="stem")(inputs)
    y = conv(6, activation="relu", name="inner")(x)
    x = layers.Add()([x, conv(8, name="outer")(y)])
    model = keras.Model(inputs, head(x))
    ram = device_cost("ram", Gating.without_gates(trace(model)))
    assert isinstance(ram, Ram)
    # stem, outer and the sum: 3 x 8 x 8 x 8; at `outer`, stem + inner + outer.
    assert ram.live_bytes([]) == max(3 * 512, 512 + 384 + 512)
    channels = 8 + 6 + 8
    # Tensors: input, six outputs, five kernels and biases (4 + 4), one axis.
    tail = 514 + 2 * 96 + 24 * (1 + 6 + 8 + 1) + 6 * 64 + 8 * channels
    tail += 3 * 119 + 71 + 70 + 112
    assert ram.count([]) == 3 * 512 + tail


def test_arena_of_an_lstm_by_hand() -> None:
    model = _chain((20, 5), layers.LSTM(7, return_sequences=True), layers.LSTM(6))
    ram = device_cost("ram", Gating.without_gates(trace(model)))
    assert isinstance(ram, Ram)
    # The second: 20 x 7 and 20 x 6 in int8, and four gates of 6 in int16.
    assert ram.live_bytes([]) == 144 + 128 + 4 * 16


def test_gaps_that_the_planner_leaves() -> None:
    """TFLM's own interpreter reports a head of 2,048 bytes for this file."""
    inputs = keras.Input(IMAGE)
    x = conv(8)(inputs)
    for _ in range(2):
        y = layers.ReLU()(layers.BatchNormalization()(x))
        y = conv(6, use_bias=False)(y)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        x = layers.Add()([x, conv(8)(y)])
    model = keras.Model(inputs, head(layers.ReLU()(layers.BatchNormalization()(x))))
    ram = device_cost("ram", Gating.without_gates(trace(model)))
    assert isinstance(ram, Ram)
    assert (ram.live_bytes([]), ram.head_bytes([])) == (3 * 512, 4 * 512)


def test_gradient_is_that_of_the_largest_moment() -> None:
    inputs = keras.Input((16, 16, 1))
    x = conv(8, activation="relu", name="large")(inputs)
    x = layers.MaxPooling2D(8)(x)
    model = keras.Model(inputs, head(conv(9, activation="relu", name="small")(x)))
    masked = kd.mask_model(model, budget=kd.Budget(ram=0.8))
    (limit,) = kd.masking.budgeted.controller_of(masked).as_limits()
    half = [np.full(8, 0.5), np.full(9, 0.5)]
    base = limit.cost.count(half)
    steps = []
    for gate in range(2):
        moved = [v.copy() for v in half]
        moved[gate] += 0.05
        steps.append(limit.cost.count(moved) - base)
    # The arena is full at `large`; `small` has its multipliers in the tail.
    assert steps[0] >= 0.4 * 256
    assert steps[1] == pytest.approx(9 * 0.05 * 8)


def test_unknown_layers_are_named() -> None:
    model = _chain(
        (6, 4), layers.Dense(7, "relu"), layers.UnitNormalization(), layers.Dense(2)
    )
    with pytest.warns(
        UserWarning, match=r"unit.* \(UnitNormalization\) becomes on the device.*Comp"
    ):
        kd.mask_model(model, budget=kd.Budget(flash=0.99))


def test_a_refused_budget_is_refused_without_a_warning() -> None:
    model = _chain(
        (6, 4), layers.Dense(7, "relu"), layers.UnitNormalization(), layers.Dense(2)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        with pytest.raises(BudgetError, match="where every layer is down to its last"):
            kd.mask_model(model, budget=kd.Budget(flash="64 B"))


def test_every_row_is_a_layer_of_keras() -> None:
    assert all(kind.__module__.startswith("keras.") for kind in TABLE)
