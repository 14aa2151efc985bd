"""One example or more of every masked layer, for the laws to range over.

`test_registries_are_covered` fails for a layer without an example.
"""

from dataclasses import dataclass, field
from typing import Any

import keras

from keras_diffmask import layers


@dataclass(frozen=True)
class Example:
    """A layer's arguments and the shape of one sample that it takes.

    `unit_axis` is the output's axis that the gates' units lie along, and None
    where they are not on the output. `ungated` names the weights, by the end
    of their paths, that belong to no unit. `tokens` says how many there are,
    for a layer that takes nothing else.
    """

    label: str
    shape: tuple[int, ...]
    arguments: dict[str, Any] = field(default_factory=dict)
    unit_axis: int | None = -1
    ungated: str = ""
    tokens: int = 0


_STEPS, _IMAGE, _VOLUME, _SEQUENCE = (7, 3), (6, 5, 3), (4, 3, 4, 2), (5, 3)
_CONV = {"filters": 4, "kernel_size": 3}
_RELU = {"padding": "same", "activation": "relu"}
_SIGMOID = {"activation": "sigmoid"}
_UPSAMPLE = {"filters": 4, "kernel_size": 2, "strides": 2, "activation": "relu"}
_DEPTHWISE = {"kernel_size": 3, "depth_multiplier": 2}


def _einsum(equation: str, output_shape: Any, bias: str | None, **more: Any) -> dict:
    about = {"equation": equation, "output_shape": output_shape, "bias_axes": bias}
    return {**about, **more}


def _table(label: str, shape: tuple[int, ...] = (6,), **more: Any) -> Example:
    return Example(label, shape, {"input_dim": 7, "output_dim": 5, **more}, tokens=7)


def _heads(label: str, shape: tuple[int, ...] = (4, 6), **more: Any) -> Example:
    bias = "attention_output/bias"
    return Example(label, shape, {"num_heads": 3, "key_dim": 2, **more}, None, bias)


#: Layer -> examples; the first is the one that the slower laws use.
EXAMPLES: dict[type[keras.layers.Layer], tuple[Example, ...]] = {
    layers.MaskedDense: (
        Example("relu", (3,), {"units": 5, "activation": "relu"}),
        Example("sigmoid", (3,), {"units": 5, "activation": "sigmoid"}),
        Example("softplus", (3,), {"units": 5, "activation": "softplus"}),
        Example("no_bias", (4, 3), {"units": 5, "use_bias": False}),
    ),
    layers.MaskedConv2D: (
        Example("relu", _IMAGE, {**_CONV, "padding": "same", "activation": "relu"}),
        Example("sigmoid", _IMAGE, {**_CONV, "activation": "sigmoid"}),
        Example("strides", _IMAGE, {**_CONV, "filters": 6, "strides": 2, "groups": 3}),
        Example("no_bias", _IMAGE, {**_CONV, "use_bias": False}),
    ),
    layers.MaskedConv1D: (
        Example("relu", _STEPS, {**_CONV, **_RELU}),
        Example("causal", _STEPS, {**_CONV, "padding": "causal", "dilation_rate": 2}),
        Example("sigmoid", _STEPS, {**_CONV, **_SIGMOID}),
        Example("no_bias", _STEPS, {**_CONV, "use_bias": False}),
    ),
    layers.MaskedConv3D: (
        Example("relu", _VOLUME, {**_CONV, **_RELU}),
        Example("sigmoid", _VOLUME, {**_CONV, **_SIGMOID}),
        Example("no_bias", _VOLUME, {**_CONV, "strides": 2, "use_bias": False}),
    ),
    layers.MaskedConv1DTranspose: (
        Example("relu", _STEPS, _UPSAMPLE),
        Example("sigmoid", _STEPS, {**_CONV, **_SIGMOID}),
    ),
    layers.MaskedConv2DTranspose: (
        Example("relu", _IMAGE, _UPSAMPLE),
        Example("sigmoid", _IMAGE, {**_CONV, **_SIGMOID, "strides": 2}),
        Example("no_bias", _IMAGE, {**_CONV, "padding": "same", "use_bias": False}),
    ),
    layers.MaskedConv3DTranspose: (
        Example("relu", _VOLUME, _UPSAMPLE),
        Example("sigmoid", _VOLUME, {**_CONV, **_SIGMOID}),
    ),
    layers.MaskedDepthwiseConv1D: (
        Example("multiplied", _STEPS, {**_DEPTHWISE, **_RELU}),
        Example("sigmoid", _STEPS, {**_DEPTHWISE, **_SIGMOID}),
        Example("single", _STEPS, {"kernel_size": 3, "use_bias": False}),
    ),
    layers.MaskedDepthwiseConv2D: (
        Example("multiplied", _IMAGE, {**_DEPTHWISE, **_RELU}),
        Example("sigmoid", _IMAGE, {**_DEPTHWISE, **_SIGMOID}),
        Example("single", _IMAGE, {"kernel_size": 3, "strides": 2, "use_bias": False}),
    ),
    layers.MaskedSeparableConv1D: (
        Example("relu", _STEPS, {**_CONV, **_RELU}, ungated="depthwise_kernel"),
        Example("sigmoid", _STEPS, {**_CONV, **_SIGMOID, "depth_multiplier": 2}),
    ),
    layers.MaskedSeparableConv2D: (
        Example("relu", _IMAGE, {**_CONV, **_RELU}, ungated="depthwise_kernel"),
        Example("sigmoid", _IMAGE, {**_CONV, **_SIGMOID, "depth_multiplier": 2}),
        Example("no_bias", _IMAGE, {**_CONV, "use_bias": False}),
    ),
    layers.MaskedEinsumDense: (
        Example("relu", (4, 3), _einsum("abc,cd->abd", (4, 5), "d", activation="relu")),
        Example("sigmoid", (4, 3), _einsum("...c,cd->...d", 5, "d", **_SIGMOID)),
        Example("no_bias", (3,), _einsum("ab,bc->ac", 5, None)),
        Example("heads", (4, 3), _einsum("abc,ecd->abed", (4, 2, 5), "ed")),
        Example(
            "bias_of_another_axis", (4, 3), _einsum("abc,cde->abde", (4, 2, 5), "d")
        ),
        Example("elided_right", (3, 4), _einsum("ab...,bc->ac...", 5, "c"), 1),
        Example("unit_not_last", (4, 3), _einsum("abc,dc->adb", (5, 4), "d"), 1),
        Example("grouped", (4, 3, 2), _einsum("abgc,dgc->abgd", (4, 3, 5), "gd")),
    ),
    layers.MaskedBatchNormalization: (
        Example("image", _IMAGE),
        Example("no_scale", _IMAGE, {"scale": False}),
        Example("no_center", _IMAGE, {"center": False}),
        Example("neither", _IMAGE, {"scale": False, "center": False}),
        Example("first_axis", _IMAGE, {"axis": 1}, 1),
        Example("steps", _STEPS),
    ),
    layers.MaskedLayerNormalization: (
        Example("sequence", (4, 5)),
        Example("no_scale", (4, 5), {"scale": False}),
        Example("no_center", (4, 5), {"center": False}),
        Example("neither", (4, 5), {"scale": False, "center": False}),
        Example("first_axis", _IMAGE, {"axis": 1}, 1),
        Example("one_axis_in_a_list", (4, 5), {"axis": [-1]}),
    ),
    layers.MaskedGroupNormalization: (
        Example("image", (4, 3, 6), {"groups": 2}),
        Example("no_scale", (4, 3, 6), {"groups": 3, "scale": False}),
        Example("no_center", (4, 3, 6), {"groups": 3, "center": False}),
        Example("instance", (4, 3, 5), {"groups": -1}),
        Example("first_axis", (6, 3, 4), {"groups": 2, "axis": 1}, 1),
    ),
    layers.MaskedEmbedding: (
        _table("tokens"),
        _table("mask_zero", mask_zero=True),
        _table("matrix", (3, 2), embeddings_regularizer="l2"),
    ),
    layers.MaskedReversibleEmbedding: (
        _table("tied"),
        _table("mask_zero", mask_zero=True),
        _table("untied", tie_weights=False),
    ),
    layers.MaskedLSTMCell: (
        Example("cell", _SEQUENCE, {"units": 4}),
        Example("no_bias", _SEQUENCE, {"units": 4, "use_bias": False}),
    ),
    layers.MaskedLSTM: (
        Example("sequences", _SEQUENCE, {"units": 4, "return_sequences": True}),
        Example("last", _SEQUENCE, {"units": 4}),
        Example("backwards", _SEQUENCE, {"units": 4, "go_backwards": True}),
        Example("dropout", _SEQUENCE, {"units": 4, "dropout": 0.3}),
        Example(
            "recurrent_dropout",
            _SEQUENCE,
            {"units": 4, "recurrent_dropout": 0.3, "return_sequences": True},
        ),
        Example(
            "unrolled",
            _SEQUENCE,
            {"units": 4, "unroll": True, "return_sequences": True},
        ),
    ),
    layers.MaskedGRUCell: (
        Example("cell", _SEQUENCE, {"units": 4}),
        Example("reset_before", _SEQUENCE, {"units": 4, "reset_after": False}),
    ),
    layers.MaskedGRU: (
        Example("sequences", _SEQUENCE, {"units": 4, "return_sequences": True}),
        Example(
            "reset_before",
            _SEQUENCE,
            {"units": 4, "reset_after": False, "go_backwards": True},
        ),
        Example(
            "dropouts",
            _SEQUENCE,
            {"units": 4, "dropout": 0.3, "recurrent_dropout": 0.3},
        ),
        Example("no_bias", _SEQUENCE, {"units": 4, "use_bias": False}),
    ),
    layers.MaskedSimpleRNNCell: (Example("cell", _SEQUENCE, {"units": 4}),),
    layers.MaskedSimpleRNN: (
        Example("sequences", _SEQUENCE, {"units": 4, "return_sequences": True}),
        Example("dropout", _SEQUENCE, {"units": 4, "dropout": 0.3}),
    ),
    layers.MaskedMultiHeadAttention: (
        _heads("self"),
        # With dropout: without, Keras on JAX refuses value_dim != key_dim.
        _heads("dropout", dropout=0.3, value_dim=4),
        _heads("no_bias", use_bias=False, output_shape=5),
        _heads("wide", output_shape=(2, 3)),
        _heads("image", (3, 2, 4), attention_axes=(1, 2)),
        _heads("gated_output", use_gate=True),
    ),
    layers.ChannelMask: (
        Example("image", _IMAGE),
        Example("vector", (3,)),
        Example("steps", _STEPS),
    ),
    layers.MaskedResidual: (Example("image", _IMAGE, unit_axis=None),),
}
