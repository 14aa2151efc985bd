"""Masked layers: each one Keras layer with gates on its weights."""

from keras_diffmask.layers.batch_normalization import (
    MaskedBatchNormalization as MaskedBatchNormalization,
)
from keras_diffmask.layers.channel_mask import ChannelMask as ChannelMask
from keras_diffmask.layers.conv2d import MaskedConv2D as MaskedConv2D
from keras_diffmask.layers.dense import MaskedDense as MaskedDense
from keras_diffmask.layers.lstm import MaskedLSTM as MaskedLSTM
from keras_diffmask.layers.lstm_cell import MaskedLSTMCell as MaskedLSTMCell

#: Every masked layer. A new one adds one line here.
ALL_OBJECTS = (
    MaskedDense,
    MaskedConv2D,
    MaskedBatchNormalization,
    MaskedLSTMCell,
    MaskedLSTM,
    ChannelMask,
)

#: Keras layer -> the masked layer of the same arguments. Not for cells, which
#: are no layer of a graph, nor where there is no weight to mask.
STOCK_TO_MASKED = {
    masked.stock_class: masked
    for masked in ALL_OBJECTS
    if masked not in (MaskedLSTMCell, ChannelMask)
}
