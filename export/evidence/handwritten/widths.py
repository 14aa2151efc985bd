"""A network once more, written in stock layers at the widths of a stripped one."""

import keras

from keras_diffmask.errors import UnsupportedModelError
from keras_diffmask.export.evidence.tiny.networks import AT_WIDTHS

_LAYERS = (keras.layers.Conv2D, keras.layers.Dense, keras.layers.LSTM)


def written(name: str, slim: keras.Model) -> tuple[keras.Model, tuple[int, ...]]:
    """Writes it, and gives it the weights of the stripped one.

    Args:
        name: of `tiny_networks.AT_WIDTHS`.
        slim: what is left of the network of this name.

    Returns:
        The network, and the widths that it was written with.

    Raises:
        UnsupportedModelError: it has other layers than what is left, or weights of
            other shapes.
    """
    count, write = AT_WIDTHS[name]
    # Where each width ends up: a layer of that many units tells by its number.
    slots = _units(write(range(1, count + 1)))
    found = _units(slim)
    if len(found) != len(slots):
        raise _other(name, f"{len(slots)} layers with units", str(len(found)))
    widths = dict(zip(slots, found, strict=True))
    at = tuple(widths[slot] for slot in range(1, count + 1))
    model = write(at)
    shapes, left = (
        [tuple(weight.shape) for weight in one.weights] for one in (model, slim)
    )
    if shapes != left:
        raise _other(name, f"weights of shapes {shapes}", str(left))
    model.set_weights(slim.get_weights())
    return model, at


def _units(model: keras.Model) -> list[int]:
    """Of all layers but the last, whose units are the classes."""
    units = [
        layer.units if hasattr(layer, "units") else layer.filters
        for layer in model.layers
        # A depthwise convolution has no width of its own.
        if type(layer) in _LAYERS
    ]
    return units[:-1]


def _other(name: str, expected: str, received: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"of {name} {expected}, as a network written by hand has them",
        received,
        "This is an error of the evidence, or of the surgery; please report it.",
    )
