"""What every quantizer has: a number of steps to wait, and a switch."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

from keras_diffmask import keras_internals
from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.refused_models import require_layer
from keras_diffmask.state import add_state


class Delayed(keras.layers.Layer):
    """A layer that does nothing for its first `delay` training steps.

    Args:
        delay: int >= 0, training steps before it acts. A layer that is called
            several times in a step counts each.
        **kwargs: keyword arguments of `keras.layers.Layer`.

    Raises:
        InvalidArgumentError: `delay` is no int of at least 0.
    """

    #: Its variables are not among those that a layer shares with its Keras parent.
    is_apart = True

    def __init__(self, delay: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(delay, bool) or not isinstance(delay, int) or delay < 0:
            raise InvalidArgumentError(
                f"delay of {self.name!r} to be an int of at least 0",
                f"delay={delay!r}",
                "Pass a number of training steps, or leave it out.",
            )
        self.delay = delay

    def build(self, input_shape: Any = None) -> None:
        self.countdown = add_state(self, "countdown", (), float(self.delay))

    def is_on(self) -> Any:
        """Whether it acts by now, as a scalar tensor."""
        return ops.convert_to_tensor(self.countdown) <= 0.0

    def count_down(self) -> None:
        """One training step less to wait."""
        self.countdown.assign(ops.maximum(self.countdown - 1.0, 0.0))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "delay": self.delay}


def quantizers_of(model: keras.layers.Layer) -> list[Delayed]:
    """Every quantizer of a model, of weights and of activations.

    Args:
        model: a model or layer.

    Returns:
        Each once, however often it is called.
    """
    require_layer(model)
    layers = keras_internals.flatten_layers(model)
    return list({id(x): x for x in layers if isinstance(x, Delayed)}.values())


@contextmanager
def switched_off(model: keras.layers.Layer) -> Iterator[None]:
    """Within it, the model computes in floats; afterwards as before.

    Args:
        model: a model with quantizers, from `quantize_model` or built by hand.

    Example:

    >>> import keras, keras_diffmask as kd
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> quantized = kd.quantize_model(model)
    >>> with kd.quantizers.switched_off(quantized):
    ...     scores = quantized.predict(keras.ops.ones((1, 4)), verbose=0)
    """
    found = quantizers_of(model)
    before = [ops.convert_to_numpy(one.countdown) for one in found]
    try:
        for one in found:
            one.countdown.assign(math.inf)
        yield
    finally:
        for one, value in zip(found, before, strict=True):
            one.countdown.assign(value)
