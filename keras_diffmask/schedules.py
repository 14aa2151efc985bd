"""Schedules: numbers that change with the training step."""

import math
from typing import Any

import keras
from keras import ops

from keras_diffmask.errors import InvalidArgumentError


class Schedule:
    """A number that goes from `start` to `end` while a layer trains.

    It stays at `start` for `delay` steps, takes `steps` more to reach `end`,
    and stays there. The step is counted inside of the layer that uses it, one
    per call of the whole model with `training=True`, as part of its saved state:
    no callback has to run, and a resumed training goes on where it was. Outside
    of training a layer has the value of its last step.

    A schedule passes through no value outside of `[start, end]`.

    Args:
        start: float, the value at the first step.
        end: float, the value that is reached.
        steps: int > 0, how many training steps the way takes.
        delay: int >= 0, how many steps come before it.

    Raises:
        InvalidArgumentError: an argument is not finite or outside its range.
    """

    def __init__(self, start: float, end: float, steps: int, delay: int = 0) -> None:
        self.start, self.end = float(start), float(end)
        self.steps, self.delay = int(steps), int(delay)
        if not (math.isfinite(self.start) and math.isfinite(self.end)):
            raise _bad("finite start and end", f"start={start!r}, end={end!r}")
        if self.steps < 1 or self.delay < 0:
            raise _bad("steps >= 1 and delay >= 0", f"steps={steps!r}, delay={delay!r}")

    def __call__(self, step: Any) -> Any:
        """The value at a training step, float32."""
        step = ops.cast(step, "float32")
        value = self.between(ops.clip((step - self.delay) / self.steps, 0.0, 1.0))
        # In float32, 5 + (1e-9 - 5) is 0: a temperature must not round to it.
        low, high = sorted((self.start, self.end))
        return ops.clip(value, low, high)

    def between(self, progress: Any) -> Any:
        """The value at a share of the way, in [0, 1]."""
        raise NotImplementedError(f"{type(self).__name__} must define between")

    def get_config(self) -> dict[str, Any]:
        names = ("start", "end", "steps", "delay")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Schedule":
        return cls(**config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


@keras.saving.register_keras_serializable("keras_diffmask")
class Linear(Schedule):
    """From `start` to `end` by equal differences.

        value = start + (end - start) * progress

    Args:
        start: float, the value at the first step.
        end: float, the value that is reached.
        steps: int > 0, how many training steps the way takes.
        delay: int >= 0, how many steps come before it.

    Example:

    >>> from keras_diffmask import schedules
    >>> ramp = schedules.Linear(0.0, 1.0, steps=100)
    >>> [float(ramp(step)) for step in (0, 50, 200)]
    [0.0, 0.5, 1.0]

    Reference:
        Gonzalez-Carabarin et al., arXiv:2105.12686 (temperature from 5 to 0.5).
    """

    def between(self, progress: Any) -> Any:
        return self.start + (self.end - self.start) * progress


@keras.saving.register_keras_serializable("keras_diffmask")
class Exponential(Schedule):
    """From `start` to `end` by equal ratios; both have the same sign.

        value = start * (end / start) ** progress

    Args:
        start: float, the value at the first step.
        end: float, the value that is reached.
        steps: int > 0, how many training steps the way takes.
        delay: int >= 0, how many steps come before it.

    Raises:
        InvalidArgumentError: `start` and `end` are 0 or of different sign.

    Example:

    >>> from keras_diffmask import schedules
    >>> fall = schedules.Exponential(4.0, 1.0, steps=100)
    >>> float(fall(50))
    2.0
    """

    def __init__(self, start: float, end: float, steps: int, delay: int = 0) -> None:
        super().__init__(start, end, steps, delay)
        if not self.start * self.end > 0.0:
            raise _bad(
                "start and end of the same sign, neither 0",
                f"start={start!r}, end={end!r}",
            )

    def between(self, progress: Any) -> Any:
        return self.start * ops.exp(math.log(self.end / self.start) * progress)


@keras.saving.register_keras_serializable("keras_diffmask")
class Cosine(Schedule):
    """From `start` to `end` along half a cosine: slow, fast, slow.

        value = end + (start - end) * (1 + cos(pi * progress)) / 2

    Args:
        start: float, the value at the first step.
        end: float, the value that is reached.
        steps: int > 0, how many training steps the way takes.
        delay: int >= 0, how many steps come before it.

    Example:

    >>> from keras_diffmask import schedules
    >>> fall = schedules.Cosine(1.0, 0.0, steps=100)
    >>> round(float(fall(25)), 3)
    0.854
    """

    def between(self, progress: Any) -> Any:
        share = 0.5 * (1.0 + ops.cos(math.pi * progress))
        return self.end + (self.start - self.end) * share


#: Every schedule by the name users write.
ALL_OBJECTS: dict[str, type[Schedule]] = {
    "linear": Linear,
    "exponential": Exponential,
    "cosine": Cosine,
}


def get(
    value: Any,
    name: str,
    above: float = -math.inf,
    least: float = -math.inf,
    below: float = math.inf,
) -> float | Schedule:
    """Check an argument that may be a number, a schedule, or its configuration.

    Args:
        value: what the user wrote.
        name: the argument's name, for the error message.
        above: what all its values must be greater than.
        least: what none of its values may be below.
        below: what all its values must be less than.

    Returns:
        A float or a `Schedule`.

    Raises:
        InvalidArgumentError: it is neither, or has values out of range.
    """
    received = f"{name}={value!r}"
    if isinstance(value, dict):
        value = keras.saving.deserialize_keras_object(value)
    if isinstance(value, Schedule):
        ends = (value.start, value.end)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        value = float(value)
        ends = (value, value)
    else:
        raise _bad(f"{name} to be a number or a schedule", received)
    if not all(above < end < below and end >= least for end in ends):
        condition = "to be a finite number"
        if above > -math.inf:
            condition += f" > {above:g}"
        if least > -math.inf:
            condition += f" >= {least:g}"
        if below < math.inf:
            condition += f"{',' if above > -math.inf else ''} < {below:g}"
        at_all = " at every step" if isinstance(value, Schedule) else ""
        raise _bad(f"{name} {condition}{at_all}", received)
    return value


def at(value: float | Schedule, step: Any) -> Any:
    """The number that `value` is at a training step."""
    return value(step) if isinstance(value, Schedule) else value


def serialize(value: float | Schedule) -> Any:
    """For a configuration: a number, or a schedule's own."""
    if isinstance(value, Schedule):
        return keras.saving.serialize_keras_object(value)
    return value


def _bad(expected: str, received: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        expected,
        received,
        "Pass a number, or for example schedules.Linear(5.0, 0.5, steps=10_000).",
    )
