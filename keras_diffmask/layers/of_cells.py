"""RNN over cells, and the recurrent layers of the same function."""

from typing import Any

import keras

from keras_diffmask.layers.gru import MaskedGRU
from keras_diffmask.layers.gru_cell import MaskedGRUCell
from keras_diffmask.layers.lstm import MaskedLSTM
from keras_diffmask.layers.lstm_cell import MaskedLSTMCell
from keras_diffmask.layers.simple_rnn import MaskedSimpleRNN
from keras_diffmask.layers.simple_rnn_cell import MaskedSimpleRNNCell

#: Cell -> the layer that is `RNN` over it. The layer has the backend's fused
#: path, and an LSTM converts to one operator.
LAYER_OF_CELL: dict[type, type[keras.layers.RNN]] = {
    keras.layers.LSTMCell: keras.layers.LSTM,
    keras.layers.GRUCell: keras.layers.GRU,
    keras.layers.SimpleRNNCell: keras.layers.SimpleRNN,
    MaskedLSTMCell: MaskedLSTM,
    MaskedGRUCell: MaskedGRU,
    MaskedSimpleRNNCell: MaskedSimpleRNN,
}


def cells_of(layer: Any) -> list[Any]:
    """The cells of an `RNN`, in order; one where they are not stacked."""
    cell = layer.cell
    is_stack = type(cell) is keras.layers.StackedRNNCells
    return list(cell.cells) if is_stack else [cell]


def is_of_known_cells(layer: Any) -> bool:
    """Whether a layer is Keras' own `RNN` over cells that have a layer each."""
    if type(layer) is not keras.layers.RNN:
        return False
    return all(type(cell) in LAYER_OF_CELL for cell in cells_of(layer))


def as_layer(layer: Any, cell: Any, **changes: Any) -> Any:
    """The recurrent layer that runs one of the cells of an `RNN`; not yet built.

    Args:
        layer: an `RNN`, which says how the sequence is run.
        cell: one of its cells, which says what a step computes.
        **changes: what the configuration has in other words.
    """
    config = {**layer.get_config(), **cell.get_config()}
    config.pop("cell")
    config |= {"name": layer.name, "trainable": layer.trainable, **changes}
    return LAYER_OF_CELL[type(cell)].from_config(config)
