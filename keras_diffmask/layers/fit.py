"""Which estimators mean something on which layers."""

from typing import Any

from keras_diffmask import granularity
from keras_diffmask.errors import InvalidArgumentError


def require_fit(layer: Any, estimator: Any, level: str) -> None:
    """Refuse an estimator that means nothing on a layer.

    Args:
        layer: the masked layer, built or not.
        estimator: an `Estimator`.
        level: the granularity of its gate.

    Raises:
        InvalidArgumentError: saying on what it acts.
    """
    require_carrier(layer, estimator)
    works = [one for one in layer.granularities if one in estimator.granularities]
    if granularity.kind(level) in works:
        return
    name = type(estimator).__name__
    words = " or ".join(map(repr, works)) or "none on this layer"
    raise InvalidArgumentError(
        f"a granularity at which {name} acts on {layer.name!r}: {words}",
        f"granularity={level!r}",
        "Pass one of these, or another estimator.",
    )


def require_carrier(layer: Any, estimator: Any) -> None:
    """Refuse an estimator that reads the weights of another kind of layer."""
    carrier, name = estimator.carrier, type(estimator).__name__
    if carrier is not None and not isinstance(layer, carrier):
        kind = carrier.__name__
        behind = " or ".join(estimator.followed_by)
        raise InvalidArgumentError(
            f"{kind} under the {name} gate of {layer.name!r}, for it reads "
            f"{' and '.join(estimator.reads)}",
            f"a {type(layer).__name__}",
            f"Put the gate on a Masked{kind} behind it"
            f"{f', with {behind} behind that' if behind else ''}, or pass another "
            "estimator, such as 'hard_concrete'.",
        )


def require_weights(layer: Any, estimator: Any) -> None:
    """Refuse an estimator that reads weights which a built layer does not have."""
    for weight in estimator.reads:
        layer.read_by_gate(weight)
