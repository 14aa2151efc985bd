"""Amounts with a unit: what a person writes, as a number."""

import re
from typing import Any

from keras_diffmask.errors import BudgetError

#: Unit -> bytes. A prefix with an `i` is binary; without one it is decimal.
BYTES = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
#: Cost -> the units that it can be written in.
UNITS: dict[str, dict[str, int]] = {"flash": BYTES, "ram": BYTES}
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")


def amount(name: str, text: str) -> float:
    """A number of bytes from `"256 KiB"`, say.

    Args:
        name: the cost that it is of, one of `UNITS`.
        text: a number and a unit.

    Raises:
        BudgetError: it is not, or the unit is not one of the cost's.

    Example:

    >>> from keras_diffmask.budget.units import amount
    >>> amount("flash", "1.5 MiB")
    1572864.0
    """
    units = UNITS[name]
    found = _AMOUNT.fullmatch(text)
    if found is None or found[2] not in units or not float(found[1]):
        raise BudgetError(
            f"{name} as a number and one of the units {', '.join(units)}",
            f"{name}={text!r}",
            f'Write {name}="64 KiB", or {name}=0.3 for 30 % of the dense model.',
        )
    return float(found[1]) * units[found[2]]


def is_number(value: Any) -> bool:
    """Whether it counts as an amount: positive, and whole where it is above 1."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return False
    return 0 < number < float("inf") and (number <= 1 or not number % 1)
