"""Which targets have what a file needs, told from its operators and types."""

from collections.abc import Sequence

from keras_diffmask import targets
from keras_diffmask.export import modes
from keras_diffmask.export.reporting.records import (
    Fit,
)
from keras_diffmask.targets import Target


def fits_of(
    ops: Sequence[str],
    quantization: str,
    size: int,
    arena: int | None,
    only: Target | None = None,
) -> tuple[Fit, ...]:
    """What every known target lacks for a file, or one target alone.

    Args:
        ops: names of the file's operators.
        quantization: its mode, or "mixed".
        size: its bytes.
        arena: bytes of its arena in TFLM, where they were measured.
        only: judge this target, with the memory that it has.

    Returns:
        One `Fit` per target.
    """
    chosen = targets.ALL_OBJECTS.values() if only is None else (only,)
    return tuple(
        Fit(target.name, _against(tuple(ops), quantization, size, arena, target))
        for target in chosen
    )


def _against(
    ops: tuple[str, ...],
    quantization: str,
    size: int,
    arena: int | None,
    target: Target,
) -> str:
    if quantization in target.refused:
        return target.refused[quantization]
    mode = modes.MODES.get(quantization)
    if mode is None and target.accelerator is not None:
        return "it computes with integers alone, and the file is of mixed types"
    kinds = tuple(op.split(" ")[0] for op in ops)
    missing = target.missing_ops(kinds, mode.activations if mode else "float32")
    if missing:
        return f"no kernel for {', '.join(missing)}"
    # The compiler of an accelerator writes the file anew.
    if target.accelerator is not None:
        return ""
    if target.flash is not None and size > target.flash:
        return f"{size:,} bytes, and {target.flash:,} of flash"
    if target.ram is None or arena is None or target.runtime != "tflm":
        return ""
    if arena > target.ram:
        return f"an arena of {arena:,} bytes, and {target.ram:,} of RAM"
    return ""
