"""quantize_model: a Keras model in, the same with the device's integers in it out."""

import keras

from keras_diffmask import rebuild
from keras_diffmask.errors import InvalidArgumentError, UnsupportedModelError
from keras_diffmask.gate import Gate
from keras_diffmask.inline import inlined
from keras_diffmask.keras_internals import as_functional, flatten_layers
from keras_diffmask.quantization.insert import insert_quantizers
from keras_diffmask.quantization.quantized_model import names_of
from keras_diffmask.quantization.split import split_operators
from keras_diffmask.quantizers import Delayed, Quantization, get_quantization


def quantize_model(
    model: keras.Model, quantization: str | Quantization = "int8"
) -> keras.Model:
    """Return a copy of `model` that trains with the integers of the device in it.

    Kernels are rounded as `quantizers.WeightQuantizer` says, activations by
    `layers.FakeQuantize`, at each tensor that the .tflite file will have: a
    BatchNormalization and a ReLU become part of the kernel before them, a
    concatenation has one range for all that it joins. Recurrent layers have
    their kernels rounded, one scale per gate; the ranges around them come from
    calibration when the model is converted.

    Compile and fit it as always; then `export.to_tflite` writes the file that
    computes just this, with no calibration data where every range was learned.
    `export.strip` gives the plain model back.

    Args:
        model: a built Sequential or Functional model, trained or not. It is
            not changed. To prune as well, pass `quantization=` to `mask_model`
            instead.
        quantization: `"int8"`; `"int4"` for weights of 4 bits; or a
            `quantizers.Quantization`.

    Returns:
        A Functional model, not compiled, whose layers and outputs have the
        original's names. A separable convolution is two layers, the first of them
        with `_depthwise` behind its name.

    Warns:
        UserWarning: weights that stay in floats, inside of a `TimeDistributed`, say.

    Raises:
        UnsupportedModelError: the model is subclassed, unbuilt, not Keras 3,
            holds NaN, or has masks or quantizers already.
        InvalidArgumentError: unknown `quantization`.

    Example:

    >>> import keras, keras_diffmask as kd
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "relu")])
    >>> [layer.name for layer in kd.quantize_model(model).layers][1:]
    ['input_layer_range', 'dense', 'dense_range']

    Reference:
        Jacob et al., Quantization and Training of Neural Networks for Efficient
        Integer-Arithmetic-Only Inference, arXiv:1712.05877, section 3.
    """
    chosen = get_quantization(quantization)
    if chosen is None:
        raise InvalidArgumentError(
            "quantization to be 'int8', 'int4' or a kd.quantizers.Quantization",
            "None",
            "Pass one of these.",
        )
    source = inlined(model)
    rebuild.require_finite(source)
    require_plain(source)
    names = names_of(as_functional(model).outputs)
    return insert_quantizers(split_operators(source).model, chosen, names)


def require_plain(model: keras.Model) -> None:
    """Refuse a model with gates or quantizers.

    Raises:
        UnsupportedModelError: naming the first of them.
    """
    for layer in flatten_layers(model):
        if isinstance(layer, Gate):
            raise UnsupportedModelError(
                "a model without masks",
                f"model {model.name!r}, which has the gate {layer.name!r}",
                "Pass quantization= to mask_model with the original model.",
            )
        if isinstance(layer, Delayed):
            raise UnsupportedModelError(
                "a model without quantizers",
                f"model {model.name!r}, which has {layer.name!r}",
                "Quantize the original model, or keras_diffmask.export.strip(model).",
            )
