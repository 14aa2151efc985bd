"""Activations and operators for the table of law 6, each behind a Dense layer."""

from collections.abc import Callable
from typing import Any

import keras

layers, ops = keras.layers, keras.ops

_ACTIVATIONS = (
    "celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_tanh "
    "leaky_relu linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu "
    "soft_shrink softmax softplus softsign sparse_plus sparsemax squareplus tanh "
    "tanh_shrink"
)


def _dense(x: Any) -> Any:
    return layers.Dense(6)(x)


def _positive(x: Any) -> Any:
    return layers.Dense(6, activation="sigmoid")(x) + 0.5


#: Name -> what is done to an input of 8 features.
OPERATORS: dict[str, Callable[[Any], Any]] = dict(
    op_abs=lambda x: ops.abs(_dense(x)),
    op_argmax=lambda x: ops.argmax(_dense(x), axis=-1),
    op_cast=lambda x: ops.cast(ops.cast(4.0 * _dense(x), "int32"), "float32"),
    op_ceil=lambda x: ops.ceil(_dense(x)),
    op_clip=lambda x: ops.clip(_dense(x), -0.3, 0.4),
    op_concatenate=lambda x: ops.concatenate([_dense(x), _dense(x)], axis=-1),
    op_cos=lambda x: ops.cos(_dense(x)),
    op_cumsum=lambda x: ops.cumsum(_dense(x), axis=-1),
    op_divide_call=lambda x: ops.divide(_dense(x), _positive(x)),
    op_divide=lambda x: _dense(x) / _positive(x),
    op_erf=lambda x: ops.erf(_dense(x)),
    op_exp=lambda x: ops.exp(_dense(x)),
    op_expand_dims=lambda x: ops.expand_dims(_dense(x), -1),
    op_flip=lambda x: ops.flip(_dense(x), axis=-1),
    op_floor=lambda x: ops.floor(_dense(x)),
    op_log=lambda x: ops.log(_positive(x)),
    op_matmul=lambda x: ops.matmul(
        layers.Reshape((2, 3))(_dense(x)), layers.Reshape((3, 2))(_dense(x))
    ),
    op_max=lambda x: ops.max(layers.Reshape((2, 3))(_dense(x)), axis=-1),
    op_maximum=lambda x: ops.maximum(_dense(x), _dense(x)),
    op_mean=lambda x: ops.mean(layers.Reshape((2, 3))(_dense(x)), axis=-1),
    op_min=lambda x: ops.min(layers.Reshape((2, 3))(_dense(x)), axis=-1),
    op_negative=lambda x: -_dense(x),
    op_norm=lambda x: ops.norm(_dense(x), axis=-1, keepdims=True),
    op_pad=lambda x: ops.pad(_dense(x), ((0, 0), (1, 1))),
    op_power=lambda x: _positive(x) ** 3.0,
    op_prod=lambda x: ops.prod(layers.Reshape((2, 3))(_dense(x)), axis=-1),
    op_repeat=lambda x: ops.repeat(_dense(x), 2, axis=-1),
    op_round=lambda x: ops.round(_dense(x)),
    op_rsqrt=lambda x: ops.rsqrt(_positive(x)),
    op_scale=lambda x: 2.0 * _dense(x) + 0.5,
    op_sign=lambda x: ops.sign(_dense(x)),
    op_sin=lambda x: ops.sin(_dense(x)),
    op_slice=lambda x: _dense(x)[:, 1:4],
    op_split=lambda x: ops.split(_dense(x), 2, axis=-1),
    op_sqrt=lambda x: ops.sqrt(_positive(x)),
    op_square=lambda x: ops.square(_dense(x)),
    op_stack=lambda x: ops.stack([_dense(x), _dense(x)], axis=1),
    op_sum=lambda x: ops.sum(layers.Reshape((2, 3))(_dense(x)), axis=-1),
    op_take=lambda x: ops.take(_dense(x), [1, 4, 2], axis=-1),
    op_tile=lambda x: ops.tile(_dense(x), (1, 2)),
    op_top_k=lambda x: ops.top_k(_dense(x), 2)[0],
    op_transpose=lambda x: ops.transpose(
        layers.Reshape((2, 3))(_dense(x)), axes=(0, 2, 1)
    ),
    op_var=lambda x: ops.var(layers.Reshape((2, 3))(_dense(x)), axis=-1),
    op_where=lambda x: ops.where(_dense(x) > 0, _dense(x), _dense(x) * 0.3),
)
OPERATORS |= {
    f"activation_{name}": lambda x, name=name: layers.Activation(name)(_dense(x))
    for name in _ACTIVATIONS.split()
}
