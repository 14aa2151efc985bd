"""Whether calibration data look like what a model was trained on.

Nobody can know, but some layers tell: a normalization knows the spread of what it
read in training, a Rescaling the numbers it was made for, and a tanh that saturates
for nearly every unit was never trained on such inputs. Only what is off by a large
factor is reported: bytes in place of numbers to 1 are off by 255, digits of 16 shades
by 16.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_diffmask import keras_internals
from keras_diffmask.export.emit.recurrent import cells

# Examples looked at.
_SOME = 32
# A moving variance starts at 1, and after a few steps of training still is near it: it
# may be far above the true one, but after ten steps not below a tenth.
_WIDE, _NARROW = 8.0, 1 / 16
# Beyond it tanh is 1 to ten digits, and sigmoid to four.
_SATURATED = 10.0
_SATURATED_SHARE = 0.9
_NEXT = "pass inputs preprocessed exactly as for training."


def warnings_about(model: Any, arrays: Sequence[np.ndarray]) -> list[str]:
    """Sentences about data that do not fit the model; none where nothing is odd.

    Args:
        model: a Functional or Sequential model.
        arrays: the calibration data, checked, one array per input.
    """
    floats = [array for array in arrays if array.dtype.kind == "f"]
    constant = [array for array in floats if array.min() == array.max()]
    if constant:
        return [
            f"The calibration data are all {constant[0].flat[0]:g}: ranges of integers "
            f"can't be told from that; {_NEXT}"
        ]
    if not floats:
        return []
    found = _Signals()
    # A graph of a fixed batch size may have it in a reshape.
    batch = model.inputs[0].shape[0] or min(_SOME, len(arrays[0]))
    if batch > len(arrays[0]):
        return []
    inputs = [keras.ops.convert_to_tensor(array[:batch]) for array in arrays]
    try:
        found.walk(keras_internals.as_functional(model), inputs)
    except _Told as told:
        return [_sentence(floats, str(told))] if str(told) else []
    if _like_bytes(floats[0]):
        return [
            _sentence(floats, "look like the bytes of images, which no layer scales")
        ]
    return []


def _sentence(floats: list[np.ndarray], what: str) -> str:
    spans = " and ".join(
        f"{array.min():.4g} to {array.max():.4g}" for array in floats[:3]
    )
    return f"The calibration data, from {spans}, {what}: {_NEXT}"


def _like_bytes(array: np.ndarray) -> bool:
    """Whole numbers from 0 to 255 that reach beyond what a one-hot vector does."""
    if array.min() < 0 or not 64 < array.max() <= 255:
        return False
    return bool((array == np.round(array)).all())


class _Told(Exception):
    """Ends the walk: a layer has told; "" if it found nothing odd."""


class _Signals:
    """Runs a model on examples until a layer tells whether they fit."""

    def walk(self, graph: Any, inputs: list[Any]) -> Any:
        return keras_internals.replay(graph, inputs, self._perform)

    def _perform(self, call: Any, args: tuple, kwargs: dict) -> Any:
        layer = call.operation
        if hasattr(layer, "layers"):
            inner = keras_internals.as_functional(layer)
            return self.walk(inner, keras.tree.flatten(args))
        if isinstance(layer, keras.layers.Layer) and hasattr(args[0], "shape"):
            self._ask(layer, args[0])
            if _recurs(layer):
                raise _Told("")  # calling it may change its state
            if "training" in kwargs:
                kwargs = {**kwargs, "training": False}
        outputs = layer(*args, **kwargs)
        if hasattr(outputs, "shape") and getattr(layer, "activation", None) in (
            keras.activations.tanh,
            keras.activations.sigmoid,
        ):
            self._saturation(layer, outputs)
        return outputs

    def _ask(self, layer: Any, given: Any) -> None:
        if isinstance(layer, keras.layers.Rescaling):
            self._rescaling(layer, given)
        elif isinstance(layer, keras.layers.Normalization):
            self._spread(layer, given, layer.mean, layer.variance)
        elif isinstance(layer, keras.layers.BatchNormalization):
            mean, variance = layer.moving_mean, layer.moving_variance
            if np.any(_array(mean)) or np.any(_array(variance) != 1):
                self._spread(layer, given, mean, variance)
        elif isinstance(layer, keras.layers.RNN):
            self._gates(layer, given)
        elif isinstance(layer, keras.layers.Bidirectional):
            self._gates(layer.forward_layer, given)

    def _rescaling(self, layer: Any, given: Any) -> None:
        scale = np.abs(np.asarray(layer.scale, "float64")).max()
        largest = float(scale * np.abs(_array(given)).max())
        # Of a layer made for bytes: they come to 1 or 2, numbers to 1 to 0.004.
        if scale < 1 / 64 and largest < 1 / 64:
            raise _Told(
                f"are scaled by {scale:.3g} in layer '{layer.name}', to at most "
                f"{largest:.2g}"
            )
        if scale < 1 / 64 and largest < 8:
            raise _Told("")

    def _spread(self, layer: Any, given: Any, mean: Any, variance: Any) -> None:
        """Compares the spread of each channel with that in training."""
        values, variance = _array(given), np.ravel(_array(variance))
        axis = getattr(layer, "axis", -1)
        axis = axis if isinstance(axis, int) else (tuple(axis) or (-1,))[-1]
        values = np.moveaxis(values, axis, -1)
        if variance.size not in (1, values.shape[-1]):
            return
        channels = values.reshape(-1, values.shape[-1])
        spread = channels.std(axis=0) / np.sqrt(np.maximum(variance, 1e-12))
        # Pruned or dead channels have none; most of the others agree.
        ratio = float(np.median(spread[spread > 0])) if (spread > 0).any() else 1.0
        if ratio > _WIDE:
            raise _Told(
                f"give layer '{layer.name}' values that spread {ratio:,.0f} times as "
                "wide as in training"
            )
        if ratio < _NARROW:
            raise _Told(
                f"give layer '{layer.name}' values that spread over 1/{1 / ratio:,.0f} "
                "of what they did in training"
            )
        raise _Told("")

    def _gates(self, layer: Any, given: Any) -> None:
        kernel = getattr(cells(layer)[0], "kernel", None)
        if kernel is None or len(kernel.shape) != 2:
            return
        gates = np.abs(_array(given) @ _array(kernel))
        if np.mean(gates > _SATURATED) > _SATURATED_SHARE:
            raise _Told(
                f"saturate {np.mean(gates > _SATURATED):.0%} of the gates of layer "
                f"'{layer.name}'"
            )

    def _saturation(self, layer: Any, outputs: Any) -> None:
        values = np.abs(_array(outputs))
        if layer.activation is keras.activations.sigmoid:
            values = np.abs(2 * values - 1)
        share = float(np.mean(values > 1 - 1e-4))
        if share > _SATURATED_SHARE:
            name = layer.activation.__name__
            raise _Told(f"saturate {share:.0%} of the {name} in layer '{layer.name}'")


def _recurs(layer: Any) -> bool:
    inner = keras_internals.flatten_layers(layer)
    return any(isinstance(part, keras.layers.RNN) for part in (layer, *inner))


def _array(value: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(value), "float64")
