"""Whether a metric is better when it is higher."""

from keras_diffmask.errors import InvalidArgumentError

_HIGHER = ("acc", "auc", "precision", "recall", "f1", "fbeta", "iou", "r2", "cosine")
_LOWER = ("loss", "error", "perplexity", "crossentropy", "mse", "mae")


def is_higher_better(monitor: str, mode: str = "auto") -> bool:
    """Whether a higher value of a metric is the better one.

    Args:
        monitor: its name.
        mode: `"max"`, `"min"`, or `"auto"` to know it of the name.

    Raises:
        InvalidArgumentError: another mode, or a name that says nothing.

    Example:

    >>> from keras_diffmask.callbacks.scores import is_higher_better
    >>> is_higher_better("accuracy"), is_higher_better("loss")
    (True, False)
    """
    if mode in ("max", "min"):
        return mode == "max"
    if mode != "auto":
        raise InvalidArgumentError(
            "mode='max', 'min' or 'auto'", f"mode={mode!r}", "Pass one of the three."
        )
    name = monitor.lower()
    if any(part in name for part in _LOWER):
        return False
    if any(part in name for part in _HIGHER):
        return True
    raise InvalidArgumentError(
        "mode='max' or 'min' for a metric whose name does not tell",
        f"monitor={monitor!r} with mode='auto'",
        "Say which way is better.",
    )
