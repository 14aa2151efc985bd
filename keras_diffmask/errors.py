"""Exceptions that say what was expected, what came, and what to do next."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any


class DiffmaskError(Exception):
    """Base class of every error raised on purpose by keras_diffmask.

    The message is always one sentence of the form
    "Expected <expected>; received <received>. <next_step>".

    Args:
        expected: what would have been right.
        received: what came instead, with its value where that helps.
        next_step: what the user can do now.
    """

    def __init__(self, expected: str, received: str, next_step: str) -> None:
        self.expected = expected
        self.received = received
        self.next_step = next_step
        super().__init__(f"Expected {expected}; received {received}. {next_step}")

    def __reduce__(self) -> tuple:
        # The default rebuilds from the one formatted message, which would
        # not fit `__init__`: needed when an error crosses a process.
        return type(self), (self.expected, self.received, self.next_step)


class InvalidArgumentError(DiffmaskError, ValueError):
    """An argument has the wrong type, shape or value."""


class UnsupportedModelError(DiffmaskError, ValueError):
    """The model is of a kind that cannot be masked, stripped or converted."""


class RuleError(DiffmaskError, ValueError):
    """A layer's rule answers with something that does not fit the layer."""


class BudgetError(DiffmaskError, ValueError):
    """A budget contradicts itself or cannot be reached on this model."""


class ConversionError(DiffmaskError, RuntimeError):
    """The TFLite converter failed, died, or broke a promise."""


class FloatLeftError(ConversionError):
    """The converter left a tensor in float where integers were promised."""


class ArtifactError(DiffmaskError, ValueError):
    """A model file is missing, damaged, or not what it claims to be."""


class MissingDependencyError(DiffmaskError, ImportError):
    """An optional package is needed and is not installed."""


class DeviceError(DiffmaskError, RuntimeError):
    """A phone or a board is missing, refuses, or was lost.

    Attributes:
        partial: what had been measured until then, a `BenchmarkResult`; None
            where there was nothing yet.
    """

    partial: Any = None


@contextmanager
def concerning(thing: str) -> Iterator[None]:
    """Add to an argument's error what it was about: "gate 'conv1_gate'".

    Around calls of something that has no name of its own, as an estimator.
    """
    try:
        yield
    except InvalidArgumentError as error:
        expected = f"{error.expected} for {thing}"
        raise InvalidArgumentError(expected, error.received, error.next_step) from None


def did_you_mean(identifier: Any, names: Iterable[str], otherwise: str) -> str:
    """What to do about a name that is none of those there are.

    Args:
        identifier: what was written.
        names: those there are.
        otherwise: what to say where none of them is near.
    """
    near = difflib.get_close_matches(str(identifier).lower(), names, n=1)
    return f"Did you mean {near[0]!r}?" if near else otherwise
