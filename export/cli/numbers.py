"""Types of arguments that are numbers: out of range is told before Keras starts."""

import argparse
from collections.abc import Callable
from typing import Any


def at_least(least: int) -> Callable[[str], int]:
    """Whole numbers of at least `least`."""

    def number(word: str) -> int:
        value = _read(int, word)
        if value is None or value < least:
            raise _refused(f"a whole number of at least {least}", word)
        return value

    return number


def share(word: str) -> float:
    """A number in (0, 1]."""
    value = _read(float, word)
    if value is None or not 0 < value <= 1:
        raise _refused("a fraction in (0, 1]", word)
    return value


def positive(word: str) -> float:
    """A number above 0."""
    value = _read(float, word)
    if value is None or not 0 < value < float("inf"):
        raise _refused("a number above 0", word)
    return value


def _read(kind: type, word: str) -> Any:
    try:
        return kind(word)
    except ValueError:
        return None


def _refused(expected: str, word: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(
        f"Expected {expected}; received {word!r}. `--help` says what it is."
    )
