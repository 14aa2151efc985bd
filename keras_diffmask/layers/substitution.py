"""Call a Keras layer as if some of its weights had other values."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops, tree


def call_with(
    layer: keras.layers.Layer,
    replacements: Sequence[tuple[Any, Any]],
    function: Callable[..., Any],
    *args: Any,
    **kwargs: Any,
) -> Any:
    """Run `function` with weights of `layer` replaced, and return its result.

    A masked layer multiplies weights by a mask and leaves everything else to
    its Keras parent: it calls the parent's `call` through here. That keeps
    one implementation of each layer (Keras'), on every backend, and costs
    nothing in a compiled step. The replacement is thread-local, which
    `tf.distribute` needs, and nothing is assigned to the layer.

    Args:
        layer: the layer whose variables `function` reads.
        replacements: pairs of a variable and the tensor to read in its place.
        function: usually `super().call`.
        *args: positional arguments of `function`.
        **kwargs: keyword arguments of `function`.

    Returns:
        What `function` returns.
    """
    swapped = {id(variable) for variable, _ in replacements}
    # Keras does not track the states of a stateful RNN among the variables.
    states = tree.flatten(getattr(layer, "states", None) or [])
    kept = [v for v in (*layer.variables, *states) if id(v) not in swapped]
    # A stateless scope answers for the variables it was given and does not
    # ask the scope around it (the JAX trainer's): so it is given all of them.
    state = [(v, ops.convert_to_tensor(v, dtype=v.dtype)) for v in kept]
    scope = keras.StatelessScope([*state, *replacements], initialize_variables=False)
    before = [scope.get_current_value(variable) for variable in kept]
    with scope:
        result = function(*args, **kwargs)
    for variable, old in zip(kept, before, strict=True):
        new = scope.get_current_value(variable)
        if new is not old:
            variable.assign(new)
    return result
