"""One small model per layer kind, for the table of law 6.

Every stock layer that may stand in a Functional model, and every activation and
operator that people write between layers. A new kind is one line.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tests.export.emit.operator_kinds import OPERATORS

layers, ops = keras.layers, keras.ops

IMAGE, SEQUENCE, VECTOR, VOLUME = (6, 6, 4), (6, 4), (8,), (4, 4, 4, 2)

#: Name -> (shape of the input, what is done to it).
KINDS: dict[str, tuple[tuple[int, ...], Callable[[Any], Any]]] = {}


def _add(shape: tuple[int, ...], **functions: Callable[[Any], Any]) -> None:
    KINDS.update({name: (shape, function) for name, function in functions.items()})


_add(
    VECTOR,
    Dense=lambda x: layers.Dense(5)(x),
    Identity=lambda x: layers.Identity()(layers.Dense(5)(x)),
    Dropout=lambda x: layers.Dropout(0.3)(layers.Dense(5)(x)),
    AlphaDropout=lambda x: layers.AlphaDropout(0.3)(layers.Dense(5)(x)),
    GaussianDropout=lambda x: layers.GaussianDropout(0.3)(layers.Dense(5)(x)),
    GaussianNoise=lambda x: layers.GaussianNoise(0.3)(layers.Dense(5)(x)),
    ActivityRegularization=lambda x: layers.ActivityRegularization(l2=0.1)(
        layers.Dense(5)(x)
    ),
    SpectralNormalization=lambda x: layers.SpectralNormalization(layers.Dense(5))(x),
    Rescaling=lambda x: layers.Dense(5)(layers.Rescaling(0.5, 0.1)(x)),
    Normalization=lambda x: layers.Dense(5)(
        layers.Normalization(mean=[0.2] * 8, variance=[1.5] * 8)(x)
    ),
    RepeatVector=lambda x: layers.RepeatVector(3)(layers.Dense(5)(x)),
    UnitNormalization=lambda x: layers.UnitNormalization()(layers.Dense(5)(x)),
    ReLU=lambda x: layers.ReLU()(layers.Dense(5)(x)),
    ReLU_capped=lambda x: layers.ReLU(max_value=2.0)(layers.Dense(5)(x)),
    ReLU_leaking=lambda x: layers.ReLU(negative_slope=0.1)(layers.Dense(5)(x)),
    LeakyReLU=lambda x: layers.LeakyReLU()(layers.Dense(5)(x)),
    PReLU=lambda x: layers.PReLU("uniform")(layers.Dense(5)(x)),
    ELU=lambda x: layers.ELU()(layers.Dense(5)(x)),
    Softmax=lambda x: layers.Softmax()(layers.Dense(5)(x)),
    Add=lambda x: layers.Add()([layers.Dense(5)(x), layers.Dense(5)(x)]),
    Subtract=lambda x: layers.Subtract()([layers.Dense(5)(x), layers.Dense(5)(x)]),
    Multiply=lambda x: layers.Multiply()([layers.Dense(5)(x), layers.Dense(5)(x)]),
    Average=lambda x: layers.Average()([layers.Dense(5)(x), layers.Dense(5)(x)]),
    Maximum=lambda x: layers.Maximum()([layers.Dense(5)(x), layers.Dense(5)(x)]),
    Minimum=lambda x: layers.Minimum()([layers.Dense(5)(x), layers.Dense(5)(x)]),
    Concatenate=lambda x: layers.Concatenate()(
        [layers.Dense(5)(x), layers.Dense(3)(x)]
    ),
    Dot=lambda x: layers.Dot(axes=1)([layers.Dense(5)(x), layers.Dense(5)(x)]),
    nested=lambda x: keras.Sequential([keras.Input(VECTOR), layers.Dense(3)])(x),
    Discretization=lambda x: layers.Dense(3)(
        ops.cast(layers.Discretization(bin_boundaries=[-0.5, 0.5])(x), "float32")
    ),
)
_add(
    IMAGE,
    Conv2D=lambda x: layers.Conv2D(5, 3)(x),
    Conv2D_dilated=lambda x: layers.Conv2D(5, 3, dilation_rate=2)(x),
    Conv2D_grouped=lambda x: layers.Conv2D(6, 3, groups=2)(x),
    DepthwiseConv2D=lambda x: layers.DepthwiseConv2D(3)(x),
    SeparableConv2D=lambda x: layers.SeparableConv2D(5, 3)(x),
    Conv2DTranspose=lambda x: layers.Conv2DTranspose(5, 3, strides=2)(x),
    BatchNormalization=lambda x: layers.BatchNormalization()(layers.Conv2D(5, 3)(x)),
    BatchNormalization_first=lambda x: layers.Conv2D(5, 3)(
        layers.BatchNormalization()(x)
    ),
    LayerNormalization=lambda x: layers.LayerNormalization()(layers.Conv2D(5, 3)(x)),
    RMSNormalization=lambda x: layers.RMSNormalization()(layers.Conv2D(5, 3)(x)),
    GroupNormalization=lambda x: layers.GroupNormalization(2)(layers.Conv2D(6, 3)(x)),
    MaxPooling2D=lambda x: layers.MaxPooling2D()(layers.Conv2D(5, 3)(x)),
    AveragePooling2D=lambda x: layers.AveragePooling2D(2)(layers.Conv2D(5, 3)(x)),
    GlobalMaxPooling2D=lambda x: layers.GlobalMaxPooling2D()(layers.Conv2D(5, 3)(x)),
    GlobalAveragePooling2D=lambda x: layers.GlobalAveragePooling2D()(
        layers.Conv2D(5, 3)(x)
    ),
    AdaptiveAveragePooling2D=lambda x: layers.AdaptiveAveragePooling2D(2)(
        layers.Conv2D(5, 3)(x)
    ),
    Resizing_bicubic=lambda x: layers.Conv2D(5, 3)(
        layers.Resizing(8, 8, interpolation="bicubic")(x)
    ),
    AdaptiveMaxPooling2D=lambda x: layers.AdaptiveMaxPooling2D(2)(
        layers.Conv2D(5, 3)(x)
    ),
    Flatten=lambda x: layers.Dense(3)(layers.Flatten()(layers.Conv2D(5, 3)(x))),
    Reshape=lambda x: layers.Reshape((4, 20))(layers.Conv2D(5, 3)(x)),
    Permute=lambda x: layers.Permute((3, 1, 2))(layers.Conv2D(5, 3)(x)),
    ZeroPadding2D=lambda x: layers.Conv2D(5, 3)(layers.ZeroPadding2D()(x)),
    Cropping2D=lambda x: layers.Cropping2D()(layers.Conv2D(5, 3)(x)),
    UpSampling2D=lambda x: layers.UpSampling2D()(layers.Conv2D(5, 3)(x)),
    UpSampling2D_bilinear=lambda x: layers.UpSampling2D(interpolation="bilinear")(
        layers.Conv2D(5, 3)(x)
    ),
    UpSampling2D_bicubic=lambda x: layers.UpSampling2D(interpolation="bicubic")(
        layers.Conv2D(5, 3)(x)
    ),
    Resizing=lambda x: layers.Conv2D(5, 3)(layers.Resizing(8, 8)(x)),
    CenterCrop=lambda x: layers.Conv2D(5, 3)(layers.CenterCrop(4, 4)(x)),
    RandomFlip=lambda x: layers.Conv2D(5, 3)(layers.RandomFlip()(x)),
    SpatialDropout2D=lambda x: layers.SpatialDropout2D(0.3)(layers.Conv2D(5, 3)(x)),
    PReLU_shared=lambda x: layers.PReLU("uniform", shared_axes=[1, 2])(
        layers.Conv2D(5, 3)(x)
    ),
    Softmax_image=lambda x: layers.Softmax()(layers.Conv2D(5, 3)(x)),
)
_add(
    SEQUENCE,
    Conv1D=lambda x: layers.Conv1D(5, 3)(x),
    Conv1D_causal=lambda x: layers.Conv1D(5, 3, padding="causal", dilation_rate=2)(x),
    DepthwiseConv1D=lambda x: layers.DepthwiseConv1D(3)(x),
    SeparableConv1D=lambda x: layers.SeparableConv1D(5, 3)(x),
    Conv1DTranspose=lambda x: layers.Conv1DTranspose(5, 3)(x),
    MaxPooling1D=lambda x: layers.MaxPooling1D()(layers.Conv1D(5, 3)(x)),
    AveragePooling1D=lambda x: layers.AveragePooling1D(2)(layers.Conv1D(5, 3)(x)),
    AdaptiveAveragePooling1D=lambda x: layers.AdaptiveAveragePooling1D(2)(
        layers.Conv1D(5, 3)(x)
    ),
    AdaptiveMaxPooling1D=lambda x: layers.AdaptiveMaxPooling1D(2)(
        layers.Conv1D(5, 3)(x)
    ),
    GlobalMaxPooling1D=lambda x: layers.GlobalMaxPooling1D()(layers.Conv1D(5, 3)(x)),
    GlobalAveragePooling1D=lambda x: layers.GlobalAveragePooling1D()(
        layers.Conv1D(5, 3)(x)
    ),
    ZeroPadding1D=lambda x: layers.ZeroPadding1D()(layers.Conv1D(5, 3)(x)),
    Cropping1D=lambda x: layers.Cropping1D()(layers.Conv1D(5, 3)(x)),
    UpSampling1D=lambda x: layers.UpSampling1D()(layers.Conv1D(5, 3)(x)),
    SpatialDropout1D=lambda x: layers.SpatialDropout1D(0.3)(layers.Conv1D(5, 3)(x)),
    EinsumDense=lambda x: layers.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d")(
        x
    ),
    TimeDistributed=lambda x: layers.TimeDistributed(layers.Dense(5))(x),
    LSTM=lambda x: layers.LSTM(5)(x),
    GRU=lambda x: layers.GRU(5)(x),
    SimpleRNN=lambda x: layers.SimpleRNN(5)(x),
    RNN=lambda x: layers.RNN(layers.GRUCell(5))(x),
    StackedRNNCells=lambda x: layers.RNN([layers.LSTMCell(5), layers.LSTMCell(3)])(x),
    Bidirectional=lambda x: layers.Bidirectional(layers.LSTM(5))(x),
    Attention=lambda x: layers.Attention()([layers.Dense(5)(x), layers.Dense(5)(x)]),
    AdditiveAttention=lambda x: layers.AdditiveAttention()(
        [layers.Dense(5)(x), layers.Dense(5)(x)]
    ),
    MultiHeadAttention=lambda x: layers.MultiHeadAttention(2, 3)(x, x),
    GroupedQueryAttention=lambda x: layers.GroupQueryAttention(4, 4, 2)(x, x),
    Masking_before_LSTM=lambda x: layers.LSTM(5)(layers.Masking()(x)),
    LayerNormalization_sequence=lambda x: layers.LayerNormalization()(
        layers.Dense(5)(x)
    ),
)
_add(
    VOLUME,
    Conv3D=lambda x: layers.Conv3D(5, 2)(x),
    Conv3DTranspose=lambda x: layers.Conv3DTranspose(5, 2)(x),
    MaxPooling3D=lambda x: layers.MaxPooling3D()(x),
    AveragePooling3D=lambda x: layers.AveragePooling3D(2)(x),
    GlobalMaxPooling3D=lambda x: layers.Dense(3)(layers.GlobalMaxPooling3D()(x)),
    GlobalAveragePooling3D=lambda x: layers.Dense(3)(
        layers.GlobalAveragePooling3D()(x)
    ),
    ZeroPadding3D=lambda x: layers.ZeroPadding3D()(layers.Dense(3)(x)),
    Cropping3D=lambda x: layers.Cropping3D()(layers.Dense(3)(x)),
    UpSampling3D=lambda x: layers.UpSampling3D()(layers.Dense(3)(x)),
    Permute_six_axes=lambda x: layers.Permute((1, 3, 2, 4, 5))(
        layers.Reshape((4, 2, 2, 4, 3))(layers.Dense(3)(x))
    ),
    op_transpose_six_axes=lambda x: ops.transpose(
        layers.Reshape((4, 2, 2, 4, 3))(layers.Dense(3)(x)), (0, 1, 3, 2, 4, 5)
    ),
    op_slice_five_axes=lambda x: layers.Dense(3)(x)[:, 1:],
    SpatialDropout3D=lambda x: layers.SpatialDropout3D(0.3)(layers.Dense(3)(x)),
)
_add(
    (5, 6, 4, 2),
    ConvLSTM2D=lambda x: layers.ConvLSTM2D(3, 2)(x),
)


TOKENS = (9,)
#: Kinds whose input is integers from 0 to 15.
TOKEN_KINDS = ("Embedding", "ReversibleEmbedding", "CategoryEncoding", "Counting")

_add(
    TOKENS,
    Embedding=lambda x: layers.Embedding(16, 5)(x),
    ReversibleEmbedding=lambda x: _reversible(x),
    CategoryEncoding=lambda x: layers.Dense(3)(
        layers.CategoryEncoding(16, output_mode="multi_hot")(x)
    ),
    Counting=lambda x: layers.Dense(3)(
        layers.CategoryEncoding(16, output_mode="count")(x)
    ),
)


def _reversible(x: Any) -> Any:
    table = layers.ReversibleEmbedding(16, 5)
    return table(layers.Dense(5)(table(x)), reverse=True)


for _name, _function in OPERATORS.items():
    _add(VECTOR, **{_name: _function})


def build(name: str) -> tuple[keras.Model, np.ndarray]:
    """The model of a kind, with weights off their initial values, and inputs."""
    shape, function = KINDS[name]
    keras.utils.set_random_seed(5)
    tokens = name in TOKEN_KINDS
    inputs = keras.Input(shape, dtype="int32" if tokens else "float32")
    model = keras.Model(inputs, function(inputs), name="kind")
    rng = np.random.default_rng(3)
    for variable in model.weights:
        if "float" not in str(variable.dtype) or "seed" in variable.path:
            continue
        value = keras.ops.convert_to_numpy(variable)
        noise = 0.3 * rng.standard_normal(value.shape)
        positive = "variance" in variable.path
        variable.assign(value + (np.abs(noise) if positive else noise))
    if tokens:
        return model, rng.integers(0, 16, (48, *shape)).astype("int32")
    return model, rng.standard_normal((48, *shape)).astype("float32")
