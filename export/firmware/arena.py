"""How much memory the program sets aside for TFLM's interpreter."""

from dataclasses import dataclass

from keras_diffmask.errors import InvalidArgumentError, MissingDependencyError
from keras_diffmask.export.arena import tflm_arena_bytes
from keras_diffmask.export.dependencies import INSTALL_TFLM
from keras_diffmask.export.tflm import has_tflm

# Measured on ten widths of one network: a Cortex-M55 with CMSIS-NN took 5 to 16 %
# more than the interpreter on the host, for kernels' scratch memory; an M7 less.
_LEAST_MARGIN, _MARGIN = 8 * 1024, 0.20
_ALIGNMENT = 16


@dataclass(frozen=True)
class ArenaSize:
    """Bytes of the arena, and where the number is from.

    Args:
        size: bytes to set aside.
        origin: one sentence for the header.
    """

    size: int
    origin: str


def arena_size(content: bytes, given: int | None) -> ArenaSize:
    """Decides the size of the arena.

    Args:
        content: the .tflite file.
        given: what the caller knows, taken as it is; None asks TFLM.

    Raises:
        InvalidArgumentError: the given number is none of bytes, or less than half of
            what TFLM takes here, where it is installed.
        MissingDependencyError: nothing was given, and tflite-micro is missing.
        ArtifactError: TFLM cannot run the model.
    """
    if given is not None:
        if isinstance(given, bool) or not isinstance(given, int) or given < 1:
            raise InvalidArgumentError(
                "arena_bytes as a whole number of at least 1",
                f"arena_bytes={given!r}",
                "Pass what arena_used_bytes() says on the board, and some more.",
            )
        _check_enough(content, given)
        return ArenaSize(_aligned(given), f"As given by arena_bytes={given}.")
    try:
        measured = tflm_arena_bytes(content)
    except MissingDependencyError as error:
        raise MissingDependencyError(
            "tflite-micro to be installed, which measures the arena, or arena_bytes=",
            "neither",
            f"{INSTALL_TFLM}, or pass arena_bytes=, and see what arena_used_bytes() "
            "says on the board.",
        ) from error
    size = _aligned(measured + max(_LEAST_MARGIN, int(_MARGIN * measured)))
    return ArenaSize(
        size,
        f"An estimate: {measured} bytes in TFLM's interpreter on a 64-bit host with "
        "reference kernels, and a margin of 8 KiB or 20 %, whichever is more, for "
        "the scratch memory of a board's kernels.",
    )


def _check_enough(content: bytes, given: int) -> None:
    """A 32-bit board's pointers take less than this computer's, but not half."""
    if not has_tflm():
        return
    measured = tflm_arena_bytes(content)
    if given < measured // 2:
        raise InvalidArgumentError(
            f"arena_bytes of some {measured} bytes, which TFLM takes on this computer",
            f"arena_bytes={given}",
            "Leave it out, or pass what arena_used_bytes() says on the board.",
        )


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
