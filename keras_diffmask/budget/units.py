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
#: Unit -> nanoseconds; both letters that look like a small mu.
TIMES = {
    "s": 10**9,
    "ms": 10**6,
    "us": 10**3,
    "\N{MICRO SIGN}s": 10**3,
    "\N{GREEK SMALL LETTER MU}s": 10**3,
    "ns": 1,
}
#: Cost -> the units that it can be written in.
UNITS: dict[str, dict[str, int]] = {"flash": BYTES, "ram": BYTES, "latency": TIMES}
#: Costs of which a number above 1 says nothing without a unit.
WANTS_UNIT = frozenset({"latency"})
_EXAMPLES = {"latency": "10 ms"}
_AMOUNT = re.compile(
    r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z\N{MICRO SIGN}\N{GREEK SMALL LETTER MU}]+)\s*"
)


def amount(name: str, text: str) -> float:
    """A number of bytes from `"256 KiB"`, say, or of nanoseconds from `"10 ms"`.

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
            f'Write {name}="{example(name)}", or {name}=0.3 for 30 % of the dense '
            "model.",
        )
    return float(found[1]) * units[found[2]]


def example(name: str) -> str:
    """An amount of a cost as a user may write it."""
    return _EXAMPLES.get(name, "64 KiB")


def said(name: str, value: float) -> str:
    """An amount of a cost as an error says it.

    Example:

    >>> from keras_diffmask.budget.units import said
    >>> said("latency", 2_500_000.0), said("macs", 12_500.0)
    ('2.5 ms', '12,500')
    """
    if UNITS.get(name) is not TIMES:
        return f"{value:,.0f}"
    unit = next((u for u in ("s", "ms", "us") if value >= TIMES[u]), "ns")
    return f"{value / TIMES[unit]:,.4g} {unit}"


def is_number(value: Any, name: str = "") -> bool:
    """Whether it counts as an amount: positive, and whole where it is above 1.

    Args:
        value: what was given.
        name: the cost that it is of.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        return False
    if number > 1 and name in WANTS_UNIT:
        return False
    return 0 < number < float("inf") and (number <= 1 or not number % 1)
