"""What an optimizer keeps of each weight, whatever the optimizer."""

from typing import Any

import keras

#: Name -> one state, or None, for each trainable variable.
Slots = dict[str, list[Any]]


def slots_of(optimizer: Any, variables: list[Any]) -> Slots:
    """The states that have the shape of their variable: momentums, averages.

    Args:
        optimizer: a built optimizer.
        variables: what it trains, in the order that it was built with.
    """
    shapes = [tuple(variable.shape) for variable in variables]
    trained = {id(variable) for variable in variables}

    def are_slots(value: Any) -> bool:
        if not isinstance(value, list) or len(value) != len(shapes):
            return False
        pairs = list(zip(value, shapes, strict=True))
        return any(one is not None for one in value) and all(
            one is None or is_state(one, shape) for one, shape in pairs
        )

    def is_state(one: Any, shape: tuple[int, ...]) -> bool:
        is_variable = isinstance(one, keras.Variable) and id(one) not in trained
        return is_variable and tuple(one.shape) == shape

    # Lists of all that it has, of which one of no momentum has as many by chance.
    everything = [id(one) for one in optimizer.variables]
    return {
        name: value
        for name, value in vars(optimizer).items()
        if are_slots(value) and [id(one) for one in value] != everything
    }


def others(optimizer: Any, slots: Slots) -> list[Any]:
    """What an optimizer keeps that belongs to no variable: steps, rates.

    Args:
        optimizer: a built optimizer; not what it wraps, if it wraps another.
        slots: what belongs to one.
    """
    inner = getattr(optimizer, "inner_optimizer", None)
    apart = {id(one) for states in slots.values() for one in states}
    apart.update(id(one) for one in (inner.variables if inner else ()))
    return [one for one in optimizer.variables if id(one) not in apart]
