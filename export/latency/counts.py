"""At which numbers of channels an operator is timed."""

#: Vector kernels work on this many channels at a time, or on twice as many.
_STEP = 8
#: Up to here the number behind a multiple is timed as well, where a step begins.
_LAST_STEP = 128


def counts(dense: int, most: int) -> tuple[int, ...]:
    """Numbers of channels from 1 to those of the dense model.

    Kernels do several channels at once, and so their time rises in steps:
    behind a multiple of 16, or of 8. Both sides of each step are in the list;
    of wide layers fewer multiples, for there a step matters less.

    Args:
        dense: channels in the dense model.
        most: about how many numbers there may be, at least 8.

    Example:

    >>> from keras_diffmask.export.latency.counts import counts
    >>> counts(20, most=16)
    (1, 8, 9, 16, 17, 20)
    >>> counts(256, most=16)
    (1, 8, 9, 16, 17, 32, 33, 64, 65, 128, 129, 256)
    """
    for per_octave in (8, 4, 2, 1):
        found = _counts(dense, per_octave)
        if len(found) <= most:
            break
    return found


def _counts(dense: int, per_octave: int) -> tuple[int, ...]:
    found = {1, dense}
    multiple = _STEP
    while multiple < dense:
        found.add(multiple)
        if multiple <= _LAST_STEP:
            found.add(multiple + 1)
        octave = 1 << (multiple.bit_length() - 1)
        multiple += max(_STEP, octave // per_octave)
    return tuple(sorted(found))
