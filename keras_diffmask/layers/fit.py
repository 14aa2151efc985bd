"""Which estimators mean something on which layers."""

from typing import Any

from keras_diffmask.errors import InvalidArgumentError, UnsupportedModelError


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
    estimator.require_granularity(level, layer.granularities, layer.name)


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


def refuse_lora(layer: Any) -> None:
    """Refuse LoRA weights: a mask multiplies a kernel, and LoRA's is a sum.

    Raises:
        UnsupportedModelError: always.
    """
    raise UnsupportedModelError(
        "LoRA weights on layers without gates",
        f"enable_lora of {layer.name!r} ({type(layer).__name__})",
        "Call it before kd.mask_model, which merges them, or on what export.strip "
        "returns.",
    )
