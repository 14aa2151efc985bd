"""What the layers of Keras 2 are called and set to in Keras 3."""

import inspect
from typing import Any

import keras

from keras_diffmask.errors import UnsupportedModelError

#: Classes of models, which may lie inside of each other.
MODELS = ("Functional", "Sequential", "Model")
#: tfmot's layer around a layer that it prunes; it is taken off.
PRUNING = "PruneLowMagnitude"
#: Layers that compute the same in Keras 2 and 3 and keep their weights in one order.
LAYERS = frozenset(
    "Activation ActivityRegularization Add AlphaDropout Average AveragePooling1D "
    "AveragePooling2D AveragePooling3D BatchNormalization Bidirectional Concatenate "
    "Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose Cropping1D "
    "Cropping2D Cropping3D Dense DepthwiseConv1D DepthwiseConv2D Dot Dropout ELU "
    "Embedding Flatten GRU GaussianDropout GaussianNoise GlobalAveragePooling1D "
    "GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D "
    "GlobalMaxPooling2D GlobalMaxPooling3D InputLayer LSTM LayerNormalization "
    "LeakyReLU Masking MaxPooling1D MaxPooling2D MaxPooling3D Maximum Minimum Multiply "
    "PReLU Permute PruneLowMagnitude ReLU RepeatVector Rescaling Reshape "
    "SeparableConv1D SeparableConv2D SimpleRNN Softmax SpatialDropout1D "
    "SpatialDropout2D SpatialDropout3D Subtract TimeDistributed UpSampling1D "
    "UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D".split()
)
# Not hard_sigmoid: clip(0.2 x + 0.5) in Keras 2, relu6(x + 3) / 6 in Keras 3.
_ACTIVATIONS = frozenset(
    "elu exponential gelu leaky_relu linear mish relu relu6 selu sigmoid silu softmax "
    "softplus softsign swish tanh".split()
)
_RENAMED = {("LeakyReLU", "alpha"): "negative_slope"}
# How a layer is run, or what its input was: nothing of its function.
_WITHOUT_EFFECT = ("implementation", "batch_input_shape", "input_length", "dtype")
# What Keras 3 has no word for, or computes otherwise, with what means "not used".
_UNUSED = {"groups": 1, "stateful": False, "time_major": False}
_PLAIN_DTYPES = ("float32", "int32", "int64", None)


def translated(layer: dict[str, Any]) -> Any:
    """A new Keras 3 layer, not built, that computes what the Keras 2 layer does.

    Args:
        layer: class name and configuration, as Keras 2 serializes them.

    Raises:
        UnsupportedModelError: naming the layer and the setting that Keras 3
            does not have.
    """
    kind, given = layer["class_name"], layer["config"]
    _require_plain_dtype(given)
    keras_class = getattr(keras.layers, kind)
    known = {*inspect.signature(keras_class.__init__).parameters, "name", "trainable"}
    # Always: the user's policy of today is not the model's.
    config: dict[str, Any] = {"dtype": "float32"}
    for key, value in given.items():
        key = _RENAMED.get((kind, key), key)
        # The weights are copied: how they began does not matter.
        if key in _WITHOUT_EFFECT or key.endswith("_initializer"):
            continue
        takes = key in known and not (key == "stateful" and value)
        if takes:
            config[key] = _value(kind, given, key, value)
        elif value not in (None, False, _UNUSED.get(key)):
            raise _unlike(given, f"{key}={value!r}")
    try:
        return keras_class(**config)
    except (TypeError, ValueError) as error:
        raise UnsupportedModelError(
            f"a configuration that Keras 3 has for {kind}",
            f"layer {given.get('name')!r} ({str(error).splitlines()[0]})",
            "Save the model again with the latest tf_keras.",
        ) from error


def _value(kind: str, given: dict[str, Any], key: str, value: Any) -> Any:
    if key in ("layer", "backward_layer"):
        return translated(value)
    if key in ("activation", "recurrent_activation"):
        if _name(value) not in _ACTIVATIONS:
            raise _unlike(given, f"{key}={_name(value)!r}")
        return value
    if value is not None and key.endswith("_regularizer"):
        return _object(given, key, value, keras.regularizers)
    if value is not None and key.endswith("_constraint"):
        return _object(given, key, value, keras.constraints)
    if kind == "BatchNormalization" and key == "axis" and isinstance(value, list):
        (axis,) = value if len(value) == 1 else (None,)
        if axis is None:
            raise _unlike(given, f"axis={value}")
        return axis
    return value


def _object(given: dict[str, Any], key: str, value: Any, module: Any) -> Any:
    """A regularizer or constraint of the same name, from `module`."""
    name = _name(value)
    found = getattr(module, name, None) if isinstance(value, dict) else None
    if not isinstance(found, type):
        raise _unlike(given, f"{key}={name!r}")
    return found(**value["config"])


def _name(value: Any) -> str:
    return str(value.get("class_name") if isinstance(value, dict) else value)


def _require_plain_dtype(given: dict[str, Any]) -> None:
    dtype = given.get("dtype")
    if isinstance(dtype, dict):
        dtype = dtype.get("config", {}).get("name")
    if dtype not in _PLAIN_DTYPES:
        raise UnsupportedModelError(
            "layers that compute in float32",
            f"layer {given.get('name')!r} with dtype {dtype!r}",
            "Rebuild the model under the policy 'float32' in tf_keras, set its "
            "weights, and save it again.",
        )


def _unlike(given: dict[str, Any], setting: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        "settings that mean the same in Keras 2 and 3",
        f"layer {given.get('name')!r} with {setting}",
        "Change it in tf_keras and save the model again, or rebuild this layer in "
        "Keras 3 and copy its weights.",
    )
