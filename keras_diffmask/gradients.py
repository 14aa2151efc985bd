"""One value forward, the gradient of another one backward."""

from typing import Any

from keras import ops


def straight_through(forward: Any, backward: Any) -> Any:
    """`forward` in the forward pass, the gradient of `backward` in the other.

    Written so that the value is exactly `forward`: the two `backward` terms
    cancel to 0.0, while `backward + (forward - backward)` rounds.
    """
    return ops.stop_gradient(forward) + (backward - ops.stop_gradient(backward))
