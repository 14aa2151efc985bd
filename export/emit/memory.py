"""Whether a finished file fits a device."""

import warnings

from keras_diffmask.errors import ConversionError, MissingDependencyError
from keras_diffmask.export.arena import tflm_arena_bytes
from keras_diffmask.targets import Target


def check_memory(content: bytes, target: Target) -> None:
    """Raises when a file is larger than a device's flash, or its arena than the RAM.

    Both are compared as they are, without a margin for the rest of the program.
    Nothing is compared for a target with an accelerator, whose compiler writes the
    file anew.

    Args:
        content: a .tflite file.
        target: the device; what it does not limit is not compared.

    Raises:
        ConversionError: it does not fit.

    Warns:
        UserWarning: the arena can't be measured, for tflite-micro is missing.
    """
    if target.accelerator is not None:
        return
    if target.flash is not None and len(content) > target.flash:
        raise _too_large("a file", target.flash, "flash", len(content), target)
    if target.ram is None or target.runtime != "tflm":
        return
    try:
        arena = tflm_arena_bytes(content)
    except MissingDependencyError as error:
        warnings.warn(
            f"The arena is not compared with the {target.ram:,} bytes of RAM of "
            f"target '{target.name}': {error}",
            stacklevel=3,  # the line that calls to_tflite
        )
        return
    if arena > target.ram:
        raise _too_large("an arena", target.ram, "RAM", arena, target)


def _too_large(
    what: str, limit: int, memory: str, size: int, target: Target
) -> ConversionError:
    word = "flash" if memory == "flash" else "ram"
    return ConversionError(
        f"{what} of at most {limit:,} bytes, the {memory} of target '{target.name}'",
        f"{size:,} bytes",
        f"Prune further, with mask_model(..., budget=Budget({word}={limit})).",
    )
