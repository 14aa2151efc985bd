"""Recalibrate: BatchNormalization statistics of the network that is left."""

from typing import Any

import keras
import numpy as np

from keras_diffmask import keras_internals, rebuild
from keras_diffmask.errors import InvalidArgumentError, UnsupportedModelError
from keras_diffmask.keras_internals import Call
from keras_diffmask.quantization import QuantizedModel


def recalibrate(model: keras.Model, x: Any, batch_size: int = 128) -> keras.Model:
    """Return a copy of `model` whose BatchNormalization statistics fit `x`.

    Gates that were soft or noisy in training leave moving averages of a
    network that no longer exists. This runs `x` forward once, normalizes each
    batch by its own statistics, as training does, and pools them over all
    batches, and over all calls of a layer that is called several times:

        mean = avg(mean_b),   variance = avg(variance_b + mean_b^2) - mean^2

    Nothing else is in training mode: no dropout, no augmentation. What is
    frozen (`trainable=False`) or called with `training=False`, as the base in
    transfer learning is, keeps its statistics. No weight is trained. Where
    `fit` went on after the gates were decided, they have followed already.

    Args:
        model: a Sequential or Functional model. It is not changed.
        x: inputs as for training, `(samples, ...)`; some 2,000 are plenty.
        batch_size: int >= 2, samples per batch; a last, smaller one is left
            out.

    Returns:
        A new Functional model, not compiled.

    Raises:
        InvalidArgumentError: `x` has fewer samples than one batch, another
            shape than the model's input, or is not finite.
        UnsupportedModelError: the model is subclassed, unbuilt or not Keras 3,
            or a BatchNormalization is inside of a layer that is no model.

    Example:

    >>> import keras, numpy as np
    >>> from keras_diffmask import export
    >>> model = keras.Sequential([keras.Input((4,)),
    ...                           keras.layers.BatchNormalization()])
    >>> x = np.random.default_rng(0).normal(3.0, 1.0, (512, 4))
    >>> mean = export.recalibrate(model, x).layers[1].moving_mean
    >>> bool(np.all(np.abs(np.asarray(mean) - 3.0) < 0.2))
    True
    """
    source = keras_internals.as_functional(model)
    batches = _batches(source, np.asarray(x), batch_size)
    # Stateful layers change as they run: in a copy that is thrown away.
    twin, result = _copy(source), _copy(source)
    found = _Statistics()
    for batch in batches:
        found.run(twin, batch)
    pairs = zip(*map(keras_internals.flatten_layers, (twin, result)), strict=True)
    for ran, norm in pairs:
        if id(ran) in found.calls:
            _assign(norm, *found.pooled(ran))
    return result


class _Statistics:
    """What BatchNormalization layers see of the batches that a model runs on.

    Attributes:
        calls: id of a layer -> mean and variance of each of its calls.
    """

    def __init__(self) -> None:
        self.calls: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}

    def run(self, model: keras.Model, batch: np.ndarray) -> None:
        dtype = model.inputs[0].dtype
        self._walk(model, [keras.ops.convert_to_tensor(batch, dtype=dtype)], False)

    def pooled(self, norm: Any) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of a layer over all of its calls."""
        means, variances = map(np.stack, zip(*self.calls[id(norm)], strict=True))
        mean = means.mean(axis=0)
        return mean, (variances + means**2).mean(axis=0) - mean**2

    def _walk(self, model: keras.Model, inputs: list[Any], is_held: bool) -> Any:
        """Run a graph, which may be held at inference by whoever calls it."""

        def perform(call: Call, args: tuple, kwargs: dict) -> Any:
            return self._perform(call.operation, args, kwargs, is_held)

        return keras_internals.replay(model, inputs, perform)

    def _perform(self, layer: Any, args: tuple, kwargs: dict, is_held: bool) -> Any:
        # `base(x, training=False)` speaks for every layer of the base.
        asked = kwargs.pop("training", None)
        is_held = is_held if asked is None else not asked
        if _is_graph(layer):
            inner = keras_internals.as_functional(layer)
            return self._walk(inner, keras.tree.flatten(args[0]), is_held)
        if not is_held and _is_norm(layer):
            self._measure(layer, args[0], kwargs.get("mask"))
        elif not is_held:
            _require_none_inside(layer)
        if keras_internals.takes_training(layer):
            # Also where True was asked for: so does `model(x, training=False)`.
            kwargs["training"] = False
        return layer(*args, **kwargs)

    def _measure(self, norm: Any, x: Any, mask: Any) -> None:
        """Give a layer the statistics of what it is about to read, if it trains."""
        if not norm.trainable:
            return
        # With momentum 0 the moving averages are this batch's own. Of a masked layer
        # the call of Keras', which draws no mask.
        momentum, norm.momentum = norm.momentum, 0.0
        mask = keras_internals.mask_of(x) if mask is None else mask
        keras.layers.BatchNormalization.call(norm, x, training=True, mask=mask)
        norm.momentum = momentum
        mean, variance = (
            keras.ops.convert_to_numpy(value).astype(np.float64)
            for value in (norm.moving_mean, norm.moving_variance)
        )
        self.calls.setdefault(id(norm), []).append((mean, variance))


def _is_graph(layer: Any) -> bool:
    if isinstance(layer, keras.Sequential):
        return layer.built
    return keras_internals.is_functional(layer)


def _is_norm(layer: Any) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization)


def _require_none_inside(layer: Any) -> None:
    if not isinstance(layer, keras.layers.Layer):
        return
    for inner in keras_internals.flatten_layers(layer):
        if _is_norm(inner) and inner.trainable:
            raise UnsupportedModelError(
                "every BatchNormalization in the graph of a Functional or Sequential "
                "model",
                f"{inner.name!r} inside of layer {layer.name!r} "
                f"({type(layer).__name__})",
                "Take it out of that layer, or set its trainable=False to keep its "
                "statistics.",
            )


def _assign(norm: Any, mean: np.ndarray, variance: np.ndarray) -> None:
    norm.moving_mean.assign(mean)
    norm.moving_variance.assign(variance)
    if getattr(norm, "renorm", False):
        # Training goes on from these, and takes the variance from them.
        deviation = np.sqrt(variance + norm.epsilon)
        norm.moving_stddev.assign(deviation)
        norm.renorm_mean.assign(mean)
        norm.renorm_stddev.assign(deviation)


def _copy(source: keras.Model) -> keras.Model:
    made: list[tuple[Any, Any]] = []

    def make(old: Any) -> Any:
        made.append((old, rebuild.clone(old)))
        return made[-1][1]

    is_quantized = isinstance(source, QuantizedModel)
    copy = rebuild.Rebuilder(source, make, rebuild.arrays_without_gates).run(
        model_class=QuantizedModel if is_quantized else keras.Model
    )
    for old, new in made:
        if len(rebuild.arrays(old)) > len(rebuild.arrays_without_gates(old)):
            # Gates and quantizers have weights of their own beside these.
            new.set_weights(rebuild.arrays(old))
    return copy


def _batches(model: keras.Model, x: np.ndarray, batch_size: int) -> list[np.ndarray]:
    wanted = tuple(model.inputs[0].shape[1:])
    fits = len(model.inputs) == 1 and x.ndim == len(wanted) + 1
    fits = fits and all(
        a in (None, b) for a, b in zip(wanted, x.shape[1:], strict=True)
    )
    if not fits or batch_size < 2 or len(x) < batch_size:
        raise InvalidArgumentError(
            f"one array of at least one batch of {batch_size} samples (2 or more) of "
            f"shape {wanted}",
            f"an array of shape {x.shape}",
            "Pass inputs as for training, or a smaller batch_size.",
        )
    if not np.all(np.isfinite(x)):
        raise InvalidArgumentError(
            "finite inputs", "NaN or infinity in x", "Clean the data first."
        )
    count = len(x) // batch_size
    return np.split(x[: count * batch_size], count)
