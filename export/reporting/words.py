"""Numbers as people read them."""

from collections.abc import Iterable


def ratio(value: float) -> str:
    """A quotient: 0.31×."""
    if value < 0.1:
        return f"{value:.3f}×"
    return f"{value:.2f}×" if value < 10 else f"{value:,.1f}×"


def spread(p5: float, p95: float) -> str:
    """From the 5th to the 95th percentile of a quotient."""
    return f"{p5:.3f} to {p95:.3f}" if p95 < 10 else f"{p5:,.1f} to {p95:,.1f}"


def size(value: float) -> str:
    """Bytes, exactly."""
    return f"{value:,.0f} bytes"


def short_size(value: float) -> str:
    """Bytes with a unit that fits a tile."""
    if value < 10_000:
        return f"{value:,.0f} B"
    kib = value / 1024
    return f"{kib:,.1f} KiB" if kib < 1024 else f"{kib / 1024:,.1f} MiB"


def count(value: float) -> str:
    """How many of something, exactly."""
    return f"{value:,.0f}"


def short_count(value: float) -> str:
    """How many of something, for a tile."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 10 * unit or (value >= unit and unit > 1e3):
            return f"{value / unit:.3g} {name}"
    return f"{value:,.0f}"


def micro_unit(values: Iterable[float | None]) -> tuple[float, str]:
    """What microseconds are divided by in one table or picture, and its unit."""
    known = [value for value in values if value is not None]
    return (1e3, "ms") if known and max(known) >= 1e4 else (1.0, "µs")


def time(us: float) -> str:
    """A time alone: 390.1 µs, 1.24 ms, 2.10 s."""
    if us < 1e3:
        return f"{us:,.1f} µs"
    return f"{us / 1e3:,.2f} ms" if us < 1e6 else f"{us / 1e6:,.2f} s"


def times(low: float, high: float) -> str:
    """From one time to another, in one unit."""
    start, end = time(low), time(high)
    same = start.split()[-1] == end.split()[-1]
    return f"{start.split()[0] if same else start} to {end}"


def moment(created: str) -> str:
    """A time of ISO 8601, to the minute."""
    day, _, clock = created.partition("T")
    return f"{day} {clock[:5]}{' UTC' if clock.endswith('+00:00') else ''}".strip()


def number(value: float) -> str:
    """A time in a column whose head names the unit: three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def percent(value: float, digits: int = 2) -> str:
    """A share as a percentage."""
    return f"{100 * value:.{digits}f} %"


def points(value: float) -> str:
    """A difference of two shares, in points."""
    if not value:
        return "0 points"
    return f"{100 * value:+.2f} points".replace("-", "−")


def plural(number_of: int, word: str) -> str:
    """A number and its noun."""
    return f"{number_of:,} {word}" + ("" if number_of == 1 else "s")


def listed(parts: list[str]) -> str:
    """Parts with commas, and an "and" before the last."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
