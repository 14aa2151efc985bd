"""Masked layers: each one Keras layer with gates on its weights."""

from keras_diffmask.layers.batch_normalization import (
    MaskedBatchNormalization as MaskedBatchNormalization,
)
from keras_diffmask.layers.bidirectional import (
    MaskedBidirectional as MaskedBidirectional,
)
from keras_diffmask.layers.channel_mask import ChannelMask as ChannelMask
from keras_diffmask.layers.conv1d import MaskedConv1D as MaskedConv1D
from keras_diffmask.layers.conv1d_transpose import (
    MaskedConv1DTranspose as MaskedConv1DTranspose,
)
from keras_diffmask.layers.conv2d import MaskedConv2D as MaskedConv2D
from keras_diffmask.layers.conv2d_transpose import (
    MaskedConv2DTranspose as MaskedConv2DTranspose,
)
from keras_diffmask.layers.conv3d import MaskedConv3D as MaskedConv3D
from keras_diffmask.layers.conv3d_transpose import (
    MaskedConv3DTranspose as MaskedConv3DTranspose,
)
from keras_diffmask.layers.dense import MaskedDense as MaskedDense
from keras_diffmask.layers.depthwise_conv1d import (
    MaskedDepthwiseConv1D as MaskedDepthwiseConv1D,
)
from keras_diffmask.layers.depthwise_conv2d import (
    MaskedDepthwiseConv2D as MaskedDepthwiseConv2D,
)
from keras_diffmask.layers.einsum_dense import MaskedEinsumDense as MaskedEinsumDense
from keras_diffmask.layers.embedding import MaskedEmbedding as MaskedEmbedding
from keras_diffmask.layers.fake_quantize import FakeQuantize as FakeQuantize
from keras_diffmask.layers.group_normalization import (
    MaskedGroupNormalization as MaskedGroupNormalization,
)
from keras_diffmask.layers.gru import MaskedGRU as MaskedGRU
from keras_diffmask.layers.gru_cell import MaskedGRUCell as MaskedGRUCell
from keras_diffmask.layers.layer_normalization import (
    MaskedLayerNormalization as MaskedLayerNormalization,
)
from keras_diffmask.layers.lstm import MaskedLSTM as MaskedLSTM
from keras_diffmask.layers.lstm_cell import MaskedLSTMCell as MaskedLSTMCell
from keras_diffmask.layers.multi_head_attention import (
    MaskedMultiHeadAttention as MaskedMultiHeadAttention,
)
from keras_diffmask.layers.residual import MaskedResidual as MaskedResidual
from keras_diffmask.layers.reversible_embedding import (
    MaskedReversibleEmbedding as MaskedReversibleEmbedding,
)
from keras_diffmask.layers.separable_conv1d import (
    MaskedSeparableConv1D as MaskedSeparableConv1D,
)
from keras_diffmask.layers.separable_conv2d import (
    MaskedSeparableConv2D as MaskedSeparableConv2D,
)
from keras_diffmask.layers.simple_rnn import MaskedSimpleRNN as MaskedSimpleRNN
from keras_diffmask.layers.simple_rnn_cell import (
    MaskedSimpleRNNCell as MaskedSimpleRNNCell,
)

#: Every masked layer that has gates of its own. A new one adds one line here.
ALL_OBJECTS = (
    MaskedDense,
    MaskedEinsumDense,
    MaskedConv1D,
    MaskedConv2D,
    MaskedConv3D,
    MaskedConv1DTranspose,
    MaskedConv2DTranspose,
    MaskedConv3DTranspose,
    MaskedDepthwiseConv1D,
    MaskedDepthwiseConv2D,
    MaskedSeparableConv1D,
    MaskedSeparableConv2D,
    MaskedBatchNormalization,
    MaskedLayerNormalization,
    MaskedGroupNormalization,
    MaskedEmbedding,
    MaskedReversibleEmbedding,
    MaskedLSTMCell,
    MaskedLSTM,
    MaskedGRUCell,
    MaskedGRU,
    MaskedSimpleRNNCell,
    MaskedSimpleRNN,
    MaskedMultiHeadAttention,
    ChannelMask,
    MaskedResidual,
)

_NO_LAYERS = (MaskedLSTMCell, MaskedGRUCell, MaskedSimpleRNNCell)

#: Keras layer -> the masked layer of the same arguments. Not for cells, which
#: are no layer of a graph, nor where there is no weight to mask.
STOCK_TO_MASKED = {
    masked.stock_class: masked
    for masked in (*ALL_OBJECTS, MaskedBidirectional)
    if masked not in (*_NO_LAYERS, ChannelMask, MaskedResidual)
}
