"""Strip: the smaller model of stock Keras layers, and the plan of it."""

import warnings

import keras

from keras_diffmask.export.surgery.cut import cut
from keras_diffmask.export.surgery.plan import Plan, rows_of
from keras_diffmask.export.surgery.proved import proved
from keras_diffmask.graph import Proof, parameters_left
from keras_diffmask.keras_internals import flatten_layers
from keras_diffmask.lora import has_lora
from keras_diffmask.masking import gates
from keras_diffmask.masking.bake import keep_countdowns
from keras_diffmask.masking.stock import Quantizers
from keras_diffmask.quantization import QuantizedModel
from keras_diffmask.quantizers import quantizers_of


def strip(model: keras.Model, keep_quantizers: bool = False) -> keras.Model:
    """Return a smaller model of stock Keras layers that computes the same function.

    For every input, the result equals `model(x, training=False)` to rounding.
    Units that the gates closed are removed where that is exact; a constant
    that a closed unit leaves behind is folded into the bias of its readers;
    what cannot be removed exactly stays, and `plan` says why. Fractional
    gates are multiplied into the weights. The result loads where
    keras_diffmask is not installed. A budget that no `fit` has decided yet is
    warned of: the strip takes the gates as they stand.

    Quantizers go as well: the result computes in floats, as the model does
    `with kd.quantizers.switched_off(model)`. With `keep_quantizers=True` they
    stay, the result computes the integers that the model does, training goes on
    with it, and `to_tflite` writes what was learned.

    Stateful recurrent layers start from states of zero, as after `reset_state()`,
    whatever those of the model have read.

    Args:
        model: a Sequential or Functional model, masked or not. It is not
            changed.
        keep_quantizers: whether layers with quantizers keep them, which needs
            keras_diffmask to load the result.

    Returns:
        A new Functional model; its layers keep their names. It is not
        compiled.

    Warns:
        UserWarning: closed channels that stay, for the scale of a kept quantizer
            hangs on their weights; `mask_model` sees to it that few do. Or a model
            that was never masked, and has nothing to take out; or quantizers to be kept
            of a model that has none.

    Raises:
        UnsupportedModelError: the model is subclassed, unbuilt, not Keras 3,
            or holds NaN.

    Example:

    >>> import keras, keras_diffmask as kd
    >>> from keras_diffmask import export
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"),
    ...                           keras.layers.Dense(2)])
    >>> masked = kd.mask_model(model)
    >>> kd.gates(masked)[0].set_keep([True] * 3 + [False] * 5)
    >>> export.strip(masked).layers[1].units
    3
    """
    if not keep_quantizers:
        proof = proved(model)
        _warn_if_in_vain(model, proof)
        return cut(proof)
    proof = proved(model, Quantizers.KEPT)
    if not quantizers_of(model):
        warnings.warn(
            f"strip was to keep the quantizers of {model.name!r}, which has none: the "
            "result is stock Keras, in floats. Pass quantization='int8' to mask_model, "
            "or leave keep_quantizers out.",
            stacklevel=2,
        )
        return cut(proof)
    parts = (model, *flatten_layers(model))
    is_quantized = any(isinstance(part, QuantizedModel) for part in parts)
    slim = cut(proof, QuantizedModel if is_quantized else keras.Model)
    keep_countdowns(model, slim)
    return slim


def _warn_if_in_vain(model: keras.Model, proof: Proof) -> None:
    """Say that the result is the model as it was, for nobody put gates on it.

    No error: what has no gates may hold zeros, which go, or LoRA weights.
    """
    has_work = gates(model) or quantizers_of(model) or has_lora(model)
    if has_work or not proof.removes_nothing:
        return
    warnings.warn(
        f"strip returns {model.name!r} as it was, for it has no gates and no closed "
        "channels. Pass what keras_diffmask.mask_model returned, after it was trained.",
        stacklevel=3,
    )


def plan(model: keras.Model) -> Plan:
    """Say what `strip` would remove, what stays, and why.

    The figures are those of the model that `strip` returns.

    Args:
        model: as for `strip`.

    Returns:
        A `Plan`; print it, or read its rows.

    Raises:
        UnsupportedModelError: as for `strip`.
    """
    proof = proved(model)
    counts = proof.count(proof.graph.macs()).values()
    return Plan(
        model=model.name,
        rows=rows_of(proof),
        macs=(sum(pair[0] for pair in counts), sum(pair[1] for pair in counts)),
        parameters=(
            proof.graph.model.count_params(),
            sum(parameters_left(proof).values()),
        ),
        gates=len(gates(model)),
        branches=proof.closed_branches(),
        uncounted=proof.graph.uncounted(),
    )
