"""Embeddings, recurrent layers, masking and attention."""

from typing import Any

from keras import layers

from tests.random_graphs.sketch import (
    SHAPES,
    TOKENS,
    Sketch,
    may_grow,
    piece,
)


@piece("Embedding")
def embedding(s: Sketch) -> None:
    """Tokens are an input of their own."""
    tokens = s.new_input((SHAPES[3][0],), "tokens")
    s.give(layers.Embedding(TOKENS, s.width(), mask_zero=s.flag(4))(tokens))


def sequence_or_vector(s: Sketch) -> dict[str, Any]:
    about: dict[str, Any] = {"return_sequences": not s.flag()}
    if s.flag(5):
        about["go_backwards"] = True
    return about


def recurrent(s: Sketch, layer: Any) -> None:
    x = s.take(3)
    use_bias = not s.flag(4)
    s.give(layer(s.width(), use_bias=use_bias, **sequence_or_vector(s))(x))


@piece("LSTM")
def lstm(s: Sketch) -> None:
    recurrent(s, layers.LSTM)


@piece("GRU")
def gru(s: Sketch) -> None:
    """Both places of the reset gate: only one of them has two biases."""
    after = not s.flag(3)
    recurrent(s, lambda *args, **kw: layers.GRU(*args, reset_after=after, **kw))


@piece("SimpleRNN")
def simple_rnn(s: Sketch) -> None:
    recurrent(s, layers.SimpleRNN)


CELLS = (layers.LSTMCell, layers.GRUCell, layers.SimpleRNNCell)


@piece("RNN of cells")
def rnn_of_cells(s: Sketch) -> None:
    """One cell, or a stack of them inside of one layer."""
    x = s.take(3)
    if s.flag():
        cells = [s.choose(CELLS)(s.width()) for _ in range(2)]
        s.give(layers.RNN(cells, **sequence_or_vector(s))(x))
    else:
        s.give(layers.RNN(s.choose(CELLS)(s.width()), **sequence_or_vector(s))(x))


@piece("Bidirectional")
def bidirectional(s: Sketch) -> None:
    x = s.take(3)
    layer = s.choose((layers.LSTM, layers.GRU))
    merge = s.choose(("concat", "sum", "mul", "ave"))
    inner = layer(s.width(), return_sequences=not s.flag())
    s.give(layers.Bidirectional(inner, merge_mode=merge)(x))


@piece("Initial state")
def initial_state(s: Sketch) -> None:
    """The last state of an encoder is the first of a decoder."""
    x, width = s.take(3), s.width()
    layer = s.choose((layers.LSTM, layers.GRU))
    _, *states = layer(width, return_state=True)(x)
    steps = s.take(3)
    y = layer(width, return_sequences=True)
    s.give(y(steps, initial_state=states if len(states) > 1 else states[0]))


@piece("Masking")
def masking(s: Sketch) -> None:
    """Steps that the data ends with zeros in are skipped."""
    x = layers.Masking()(s.new_input(SHAPES[3], "padded"))
    if s.flag():
        x = layers.Dense(s.width(), activation=s.activation())(x)
    layer = s.choose((layers.LSTM, layers.GRU, layers.SimpleRNN))
    s.give(layer(s.width(), return_sequences=s.flag())(x))


def attend(s: Sketch, query: Any, value: Any) -> Any:
    heads, width = s.number(1, 3), s.number(2, 4)
    about: dict[str, Any] = {"value_dim": s.number(2, 4) if s.flag() else None}
    if s.flag(3):
        about["output_shape"] = s.width()
    if s.flag(4):
        about["use_bias"] = False
    return layers.MultiHeadAttention(heads, width, **about)(query, value)


@piece("MultiHeadAttention (self)")
def self_attention(s: Sketch) -> None:
    """As in a transformer, with its skip; or bare."""
    x = s.take(3)
    y = attend(s, x, x)
    if y.shape == x.shape and s.flag():
        y = layers.LayerNormalization()(layers.Add()([x, y]))
    s.give(y)


@piece("MultiHeadAttention (cross)")
def cross_attention(s: Sketch) -> None:
    query = s.take(3, may_grow())
    value = s.some(lambda t: len(t.shape) == 3 and t is not query)
    if value is None:
        # Shorter than the query by one step, where it can be.
        size = 2 if query.shape[1] > 1 else 1
        value = layers.Conv1D(s.width(), size, activation=s.activation())(query)
    s.give(attend(s, query, value))
