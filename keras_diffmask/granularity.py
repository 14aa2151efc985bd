"""What one element of a mask covers."""

from keras_diffmask.errors import InvalidArgumentError

WEIGHT = "weight"
CHANNEL = "channel"

# "neuron" is what the field calls a channel of a Dense or recurrent layer.
_NAMES = {WEIGHT: WEIGHT, CHANNEL: CHANNEL, "neuron": CHANNEL}


def get(name: str, allowed: tuple[str, ...] = (WEIGHT, CHANNEL)) -> str:
    """Return the canonical granularity that `name` stands for.

    Args:
        name: `"weight"` (one gate per kernel entry), or `"channel"`, for
            which `"neuron"` is a synonym (one gate per output unit).
        allowed: the granularities that make sense where it is asked.

    Returns:
        `"weight"` or `"channel"`.

    Raises:
        InvalidArgumentError: the name is unknown, or not in `allowed`.
    """
    canonical = _NAMES.get(name) if isinstance(name, str) else None
    if canonical not in allowed:
        valid = sorted(key for key, value in _NAMES.items() if value in allowed)
        raise InvalidArgumentError(
            f"granularity to be one of {', '.join(valid)}",
            f"granularity={name!r}",
            "Pass one of these names.",
        )
    return canonical
