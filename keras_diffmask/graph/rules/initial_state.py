"""The initial state that a recurrent layer is given, tensors or constants."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_diffmask.graph.rules import weights
from keras_diffmask.keras_internals import Call


def initial_state(args: tuple, kwargs: dict) -> Any:
    """What the arguments of a call give for one, in its structure; or None."""
    return args[1] if len(args) > 1 else kwargs.get("initial_state")


def with_initial_state(args: tuple, kwargs: dict, state: Any) -> tuple[tuple, dict]:
    """The arguments of a call that had one, with another in its place."""
    if len(args) > 1:
        return (args[0], state, *args[2:]), kwargs
    return args, {**kwargs, "initial_state": state}


def constant_states(call: Call) -> list[np.ndarray]:
    """Those of a call that are no tensors of the graph, which `call.inputs` lacks."""
    given = initial_state(call.arguments.args, call.arguments.kwargs)
    return [
        weights.array(state)
        for state in keras.tree.flatten(given)
        if state is not None and not isinstance(state, keras.KerasTensor)
    ]


def is_all_zero(call: Call) -> bool:
    """Whether a call starts from zeros, as without an initial state."""
    states = constant_states(call)
    return len(call.inputs) == 1 and not any(np.any(state) for state in states)


def change_constants(
    args: tuple, kwargs: dict, change: Callable[[Any], Any]
) -> tuple[tuple, dict]:
    """The arguments of a call with other constants for states."""
    given = initial_state(args, kwargs)
    if given is None:
        return args, kwargs
    states = keras.tree.map_structure(
        lambda state: state if isinstance(state, keras.KerasTensor) else change(state),
        given,
    )
    return with_initial_state(args, kwargs, states)
