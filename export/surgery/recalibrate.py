"""Recalibrate: BatchNormalization statistics of the network that is left."""

from typing import Any

import keras
import numpy as np

from keras_diffmask import keras_internals, rebuild
from keras_diffmask.errors import InvalidArgumentError

# What these do while training must not leak into the statistics.
_NOISE = (
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
)


def recalibrate(model: keras.Model, x: Any, batch_size: int = 128) -> keras.Model:
    """Return a copy of `model` whose BatchNormalization statistics fit `x`.

    Gates that were soft or noisy in training leave moving averages of a
    network that no longer exists. This runs `x` forward once, in training
    mode without dropout, and pools the statistics of all batches:

        mean = avg(mean_b),   variance = avg(variance_b + mean_b^2) - mean^2

    No weight is trained. Where `fit` went on after the gates were decided,
    the statistics have followed already.

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
        UnsupportedModelError: the model is subclassed, unbuilt or not Keras 3.

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
    twin = _copy(source, quiet=True)
    norms = [layer for layer in twin.layers if _is_norm(layer)]
    sums = {norm.name: [0.0, 0.0] for norm in norms}
    for batch in batches:
        # With momentum 0 the moving averages are this batch's own.
        twin(batch, training=True)
        for norm in norms:
            mean = keras.ops.convert_to_numpy(norm.moving_mean).astype(np.float64)
            variance = keras.ops.convert_to_numpy(norm.moving_variance)
            sums[norm.name][0] += mean / len(batches)
            sums[norm.name][1] += (variance + mean**2) / len(batches)
    result = _copy(source, quiet=False)
    for norm in (layer for layer in result.layers if _is_norm(layer)):
        mean, second_moment = sums[norm.name]
        norm.moving_mean.assign(mean)
        norm.moving_variance.assign(second_moment - mean**2)
    return result


def _is_norm(layer: Any) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization)


def _copy(source: keras.Model, quiet: bool) -> keras.Model:
    made: list[tuple[Any, Any]] = []

    def make(old: Any) -> Any:
        if quiet and isinstance(old, _NOISE):
            return keras.layers.Identity(name=old.name)
        new = rebuild.clone(old)
        if quiet and _is_norm(new):
            new.momentum = 0.0
        made.append((old, new))
        return new

    def weights(old: Any) -> list[np.ndarray]:
        is_gone = quiet and isinstance(old, _NOISE)
        return [] if is_gone else rebuild.arrays_without_gates(old)

    copy = rebuild.Rebuilder(source, make, weights).run()
    for old, new in made:
        if len(rebuild.arrays(old)) > len(rebuild.arrays_without_gates(old)):
            # Gates and quantizers have weights of their own beside these.
            new.set_weights(old.get_weights())
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
