"""The channel graph: a model's calls, and the units of every tensor."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_diffmask import keras_internals
from keras_diffmask.errors import RuleError
from keras_diffmask.graph import rules as rules
from keras_diffmask.graph.axes import explicit, spread
from keras_diffmask.graph.rule import Rule, Step, Term, rule_for
from keras_diffmask.graph.units import UnitTable
from keras_diffmask.inline import inlined

#: Keras' own, without a rule and without weights, that multiply.
_PRODUCTS = set(
    "AdditiveAttention Attention Conv ConvTranspose DepthwiseConv Dot "
    "DotProductAttention Einsum Inner Lambda Outer SeparableConv Tensordot Vdot".split()
)


class _Barrier(Rule):
    """Stands in for a layer without a rule: nothing on either side is cut."""

    reads = True

    def counts_macs(self, step: Step) -> bool:
        kind = type(step.layer)
        is_product = (
            kind.__module__.split(".")[0] != "keras" or kind.__name__ in _PRODUCTS
        )
        weights = getattr(step.layer, "weights", [])
        return not is_product and all(len(weight.shape) < 2 for weight in weights)

    def trace(self, step: Step) -> list[np.ndarray]:
        kind = type(step.layer)
        return step.bar(
            f"{step.name} ({kind.__module__}.{kind.__name__}) has no rule; to add "
            f"one, decorate it with keras_diffmask.graph.register({kind.__name__})"
        )


_BARRIER = _Barrier()


@dataclass(eq=False)
class ChannelGraph:
    """Data only: what a model's channels are and which belong together.

    Attributes:
        model: the Functional model it was read from.
        steps: one per call, producers before consumers.
        units: the table of all units.
        consumers: id of a tensor -> the steps that take it.
        protected: root of a unit -> why it must stay.
    """

    model: keras.Model
    steps: list[Step]
    units: UnitTable
    consumers: dict[int, list[Step]]
    protected: dict[int, str]

    def macs(self) -> list[tuple[Step, Term]]:
        """Every term of the multiply-accumulates, with its call."""
        return [(step, term) for step in self.steps for term in step.rule.macs(step)]

    def uncounted(self) -> tuple[str, ...]:
        """Names of the layers of which nobody knows the multiply-accumulates."""
        steps = [s for s in self.steps if not s.rule.counts_macs(s)]
        return tuple(dict.fromkeys(step.name for step in steps))

    def parameters(self) -> list[tuple[Step, Term]]:
        """Every term of the parameter count, with the first call of its layer."""
        seen: set[int] = set()
        terms = []
        for step in self.steps:
            if id(step.layer) in seen or not hasattr(step.layer, "count_params"):
                continue
            seen.add(id(step.layer))
            terms += [(step, term) for term in step.rule.parameters(step)]
        return terms


def trace(model: keras.Model) -> ChannelGraph:
    """Read the channel graph of a Functional or Sequential model.

    Args:
        model: a built Keras model. It is not changed.

    Returns:
        The `ChannelGraph`.

    Raises:
        UnsupportedModelError: the model is subclassed, unbuilt, or not Keras 3.
    """
    model = inlined(model)
    units = UnitTable()
    ids: dict[int, np.ndarray] = {}
    steps: list[Step] = []
    consumers: dict[int, list[Step]] = {}
    for tensor in model.inputs:
        ids[id(tensor)] = _protected_input(tensor, units)
    for call in keras_internals.calls(model):
        if not call.inputs:
            continue
        rule = (rule_for(call.operation) or _BARRIER).of_call(call)
        step = Step(call, rule, [ids[id(t)] for t in call.inputs], units)
        step.outputs = _traced(step)
        for tensor, out in zip(call.outputs, step.outputs, strict=True):
            ids[id(tensor)] = out
        for mask in call.masks:
            # Of a tensor that is a mask, and no input, no rule asks what it needs.
            units.pin(ids[id(mask)], f"{step.name} takes it as a mask")
        for tensor in (*call.inputs, *call.masks):
            consumers.setdefault(id(tensor), []).append(step)
        steps.append(step)
    _tie_repeated_calls(steps, units)
    for tensor in model.outputs:
        units.pin(ids[id(tensor)], "it is an output of the model")
    return ChannelGraph(model, steps, units, consumers, units.pinned())


def _protected_input(tensor: Any, units: UnitTable) -> np.ndarray:
    shape = tensor.shape
    size = shape[-1] if len(shape) > 1 and shape[-1] else 1
    fresh = units.new(size)
    units.pin(fresh, "it is an input of the model")
    rank = len(shape) - 1
    return spread(fresh, rank) if rank > 0 else fresh.reshape(())


def _traced(step: Step) -> list[np.ndarray]:
    """What the rule's `trace` returns, if it fits the tensors.

    Raises:
        RuleError: it does not, or it ties channels of different numbers.
    """
    try:
        outputs = step.rule.trace(step)
    except ValueError as error:
        raise RuleError(
            f"{type(step.rule).__name__}.trace to work on layer {step.name!r}, whose "
            f"inputs have ids of shapes {[ids.shape for ids in step.inputs]}",
            f"{type(error).__name__}: {error}",
            "Tie only as many channels as there are on both sides.",
        ) from error
    tensors = step.call.outputs
    wanted = [tensor.shape[1:] for tensor in tensors]
    given = [getattr(ids, "shape", None) for ids in outputs]
    fits = len(wanted) == len(given) and all(
        ids is not None
        and len(ids) == len(shape)
        and all(a == 1 or b is None or a == b for a, b in zip(ids, shape, strict=True))
        for ids, shape in zip(given, wanted, strict=True)
    )
    if not fits:
        kind = type(step.rule).__name__
        raise RuleError(
            f"{kind}.trace to return, for layer {step.name!r}, one array of ids per "
            f"output that broadcasts against {[tuple(shape) for shape in wanted]}",
            f"arrays of shapes {given}",
            "Return ids shaped like the outputs, 1 where all positions share them.",
        )
    return [
        explicit(ids, tensor.shape[-1])
        for ids, tensor in zip(outputs, tensors, strict=True)
    ]


def _tie_repeated_calls(steps: list[Step], units: UnitTable) -> None:
    """A layer called twice has one set of weights, or one shape to reshape to."""
    first: dict[int, Step] = {}
    tied: list[Step] = []
    for step in steps:
        other = first.setdefault(id(step.layer), step)
        if other is step:
            continue
        has_weights = any(w.shape for w in getattr(step.layer, "weights", []))
        if not has_weights and type(step.rule).shrink is Rule.shrink:
            continue
        both = (s.rule.along_weights(s) for s in (step, other))
        for ours, theirs in zip(*both, strict=True):
            for a, b in zip(theirs, ours, strict=False):
                if a.size == b.size:
                    units.tie(a.reshape(-1), b.reshape(-1))
                else:
                    units.pin(a, f"{step.name} is called on different shapes")
                    units.pin(b, f"{step.name} is called on different shapes")
        tied.append(step)
    for step in tied:
        for ids in (*step.inputs, *step.outputs):
            if ids.size > 1 and len(np.unique(units.root(ids))) == 1:
                units.pin(ids, f"the calls of {step.name} tie all of its channels")


def count(terms: list[tuple[Step, Term]]) -> int:
    """The integer value of a cost, with every unit in place."""
    return round(sum(term.size(len) for _, term in terms))


def without_macs(names: tuple[str, ...]) -> list[str]:
    """A line for people on layers that are not counted; none where all are."""
    named = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    line = f"MACs without those of {named}: no rule of the library counts them."
    return [line] if names else []
