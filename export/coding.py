"""Frozen records out of JSON, by the types of their fields."""

import dataclasses
import types
import typing
from typing import Any


def decode(kind: Any, value: Any) -> Any:
    """Builds what `dataclasses.asdict` and JSON took apart.

    Args:
        kind: a dataclass, or the type of a field: tuples, dicts,
            optional and plain ones.
        value: what JSON made of it.

    Raises:
        ValueError: the value is not of that type.
    """
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _record(kind, value)
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return _tuple(inside, value)
    if origin is dict and isinstance(value, dict):
        key, inner = inside
        return {decode(key, k): decode(inner, one) for k, one in value.items()}
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in inside:
            return None
        (kind,) = (one for one in inside if one is not type(None))
        return decode(kind, value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise ValueError(f"{value!r} where a {kind.__name__} belongs"[:80])
    return value


def _record(kind: type, value: Any) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} where a {kind.__name__} belongs"[:80])
    hints = typing.get_type_hints(kind)
    strangers = sorted(set(value) - set(hints))
    if strangers:
        raise ValueError(f"the unknown field {strangers[0]!r}"[:80])
    try:
        return kind(**{name: decode(hints[name], one) for name, one in value.items()})
    except TypeError as error:
        raise ValueError(f"a {kind.__name__} without some of its fields") from error


def _tuple(inside: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r} where a list belongs"[:80])
    if len(inside) == 2 and inside[1] is Ellipsis:
        return tuple(decode(inside[0], one) for one in value)
    if len(inside) != len(value):
        raise ValueError(f"{len(value)} entries where {len(inside)} belong")
    return tuple(decode(kind, one) for kind, one in zip(inside, value, strict=True))
