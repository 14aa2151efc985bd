"""Operators of keras.ops that act on each entry: `x + y`, `2 * x`, `ops.relu(x)`."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import tree

from keras_diffmask import precision
from keras_diffmask.graph.rule import Channelwise, Cut, Rule, Step, register
from keras_diffmask.graph.rules.merge import (
    AddRule,
    MaximumRule,
    MergeRule,
    MinimumRule,
    MultiplyRule,
    SubtractRule,
)
from keras_diffmask.keras_internals import Call, operation_classes

_UNARY = (
    "Absolute", "Negative", "Square", "Sqrt", "Rsqrt", "Exp", "Expm1", "Log",
    "Log1p", "Sin", "Cos", "Tan", "Tanh", "Sinh", "Cosh", "Arctan", "Reciprocal",
    "Sign", "Floor", "Ceil", "Round", "Clip", "Cast", "Copy", "StopGradient",
    "Relu", "Relu6", "Sigmoid", "SparseSigmoid", "Softplus", "Softsign",
    "SoftShrink", "SparsePlus", "Silu", "Squareplus", "LogSigmoid", "LeakyRelu",
    "HardSigmoid", "HardSilu", "Elu", "Selu", "Gelu", "Celu", "TanhShrink",
    "HardTanh", "HardShrink", "Threshold", "Erf", "Isfinite", "LogicalNot",
)  # fmt: skip


def mixes(step: Step) -> str | None:
    """Why an operator is more than one of tensors and numbers, or None."""
    if not _is_scalar(step.call):
        return f"{step.name} takes an array, whose channels would have to be cut"
    return None


class PointwiseRule(Channelwise):
    """One tensor, and perhaps numbers."""

    def trace(self, step: Step) -> list[np.ndarray]:
        reason = mixes(step)
        if reason:
            return step.bar(reason)
        if len(step.call.inputs) != 1:
            return step.bar(f"{step.name} takes several tensors")
        at_zero = _evaluate(step.call, [np.zeros(step.inputs[0].shape)])
        if not np.all(np.isfinite(at_zero)):
            return step.bar(f"{step.name} is not finite at 0")
        if step.call.outputs[0].dtype == "bool" and np.any(at_zero):
            return step.bar(f"{step.name} is true at 0")
        return [step.inputs[0]]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        if mixes(step) or len(inputs) != 1:
            return Rule.constants(self, step, inputs)
        varies = np.isnan(inputs[0])
        values = _evaluate(step.call, [np.where(varies, 0.0, inputs[0])])
        values = np.where(np.isfinite(values), values, np.nan)
        return [np.where(varies, np.nan, values)]


register(*operation_classes(*_UNARY))(PointwiseRule)


class _BinaryRule(Rule):
    """Two tensors meet; a tensor and a number act on each entry."""

    layer_rule: type[MergeRule]
    merges = True

    def perform(
        self, step: Step, cut: Cut, call: Callable, args: tuple, kwargs: dict
    ) -> Any:
        return self._rule(step).perform(step, cut, call, args, kwargs)

    def _rule(self, step: Step) -> Rule:
        several = len(step.call.inputs) > 1
        return _MERGING[self.layer_rule] if several else _POINTWISE

    def trace(self, step: Step) -> list[np.ndarray]:
        reason = mixes(step)
        return step.bar(reason) if reason else self._rule(step).trace(step)

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        if mixes(step):
            return super().constants(step, inputs)
        return self._rule(step).constants(step, inputs)

    def leak_free(self, step: Step) -> bool:
        return self._rule(step).leak_free(step)


_POINTWISE = PointwiseRule()


class _Other(MergeRule):
    """Of two tensors nothing is said: 0 / 0 is no number, and 0 == 0 is not 0."""

    def trace(self, step: Step) -> list[np.ndarray]:
        return step.bar(f"{step.name} of two tensors is not 0 where both are")

    def combine(self, values: list[np.ndarray]) -> np.ndarray:
        return np.full(values[0].shape, np.nan)


_MERGING: dict[type[MergeRule], MergeRule] = {
    rule: rule()
    for rule in (
        AddRule,
        SubtractRule,
        MultiplyRule,
        MaximumRule,
        MinimumRule,
        _Other,
    )
}


def _binary(rule: type[MergeRule], *names: str) -> None:
    members: dict[str, Any] = {
        "layer_rule": rule,
        "absorbs": rule.absorbs,
        "sums_inputs": rule.sums_inputs,
    }
    register(*operation_classes(*names))(
        type(f"{rule.__name__}Operator", (_BinaryRule,), members)
    )


_binary(AddRule, "Add")
_binary(SubtractRule, "Subtract")
_binary(MaximumRule, "Maximum")
_binary(MinimumRule, "Minimum")
_binary(MultiplyRule, "Multiply")
_binary(_Other, "Divide", "TrueDivide", "Power", "Mod", "FloorDivide")
_binary(_Other, "Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual")


def _is_scalar(call: Call) -> bool:
    """Whether an operator was given tensors and plain numbers, and no arrays."""
    flat = tree.flatten((call.arguments.args, call.arguments.kwargs))
    plain = (bool, int, float, str, type(None), keras.KerasTensor)
    return all(isinstance(x, plain) or np.ndim(x) == 0 for x in flat)


def _evaluate(call: Call, values: list[np.ndarray]) -> np.ndarray:
    """What an operator makes of arrays in place of its tensors.

    Computed in float64, where the backend has that.

    Args:
        call: the call of a `keras.ops` operator.
        values: one array per input tensor.
    """
    tensors = [precision.finest(v) for v in values]
    pairs = zip(call.inputs, tensors, strict=True)
    args, kwargs = call.arguments.fill_in({id(old): new for old, new in pairs})
    result = call.operation(*args, **kwargs)
    return keras.ops.convert_to_numpy(result).astype(np.float64)
