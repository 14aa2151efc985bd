"""The interface of a rule, and the table that finds the rule for a layer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import numpy as np

from keras_diffmask.graph.axes import on_last_axis, spread
from keras_diffmask.graph.units import UnitTable
from keras_diffmask.keras_internals import Call

BORDER = "a constant other than 0 meets zero padding"


@dataclass(eq=False)
class Step:
    """One call of a layer, with the units of the tensors it takes and gives.

    Attributes:
        call: the call in the Keras graph.
        rule: the rule that speaks for the layer.
        inputs: ids of each input tensor.
        units: the table the ids belong to.
        outputs: ids of each output tensor.
        hidden: vectors of units inside of the layer, such as attention heads.
        memo: what a rule has worked out of the weights, to not do it again.
    """

    call: Call
    rule: "Rule"
    inputs: list[np.ndarray]
    units: UnitTable
    outputs: list[np.ndarray] = field(default_factory=list)
    hidden: list[np.ndarray] = field(default_factory=list)
    memo: dict[str, Any] = field(default_factory=dict)

    @property
    def layer(self) -> Any:
        return self.call.operation

    @property
    def name(self) -> str:
        return self.layer.name

    @property
    def written(self) -> np.ndarray:
        """Ids of all units that are this step's own, as a vector."""
        own = [*self.outputs, *self.hidden]
        return np.concatenate([ids.reshape(-1) for ids in own])

    def fresh(self, tensor: Any, reason: str | None = None) -> np.ndarray:
        """New ids for a tensor, along its last axis; pinned where there is a reason."""
        rank = len(tensor.shape) - 1
        size = (tensor.shape[-1] or 1) if rank else 1
        ids = self.units.new(size)
        if reason:
            self.units.pin(ids, reason)
        return spread(ids, rank) if rank else ids.reshape(())

    def bar(self, reason: str) -> list[np.ndarray]:
        """Pin both sides of the step; what a rule returns that cannot go on."""
        for ids in self.inputs:
            self.units.pin(ids, reason)
        return [self.fresh(tensor, reason) for tensor in self.call.outputs]


@dataclass(frozen=True, eq=False)
class Term:
    """A product that counts: factor x the units in each of up to three axes.

    Id arrays keep their multiplicity; None stands for the number 1.
    `takes_input` says that the rows are the step's first input, of which it
    may read less than there is (`Rule.takes`).
    """

    factor: float
    rows: np.ndarray | None = None
    columns: np.ndarray | None = None
    takes_input: bool = False
    depth: np.ndarray | None = None

    @property
    def axes(self) -> tuple[np.ndarray | None, ...]:
        return (self.rows, self.columns, self.depth)

    def size(
        self, count: Callable[[np.ndarray], int], rows: np.ndarray | None = None
    ) -> float:
        """The product, with `count` saying how many of some ids there are.

        Args:
            count: ids -> how many count.
            rows: bool per row, in place of what `count` says of them.
        """
        total = self.factor
        if self.rows is not None:
            total *= count(self.rows) if rows is None else int(rows.sum())
        for ids in (self.columns, self.depth):
            if ids is not None:
                total *= count(ids)
        return total


@dataclass(frozen=True, eq=False)
class Hold:
    """Units that a step keeps from being removed.

    Attributes:
        ids: the units.
        reason: why, where a user could not guess it.
    """

    ids: np.ndarray
    reason: str | None = None


class Rule:
    """How one family of layers treats channels.

    A rule answers for a layer without changing it. `trace` is always asked
    first; the other questions come with the `Step` that it filled.
    """

    #: Whether an output channel mixes input channels. Such a layer *reads*
    #: its input; a channelwise layer passes units through.
    reads = False
    #: Whether the output is the plain sum of the inputs.
    sums_inputs = False
    #: Whether the inputs meet channel by channel.
    merges = False
    #: Whether a 0 on any one input makes the output 0.
    absorbs = False
    #: Whether only a masked layer of its own can close its units, since they
    #: also act inside of it.
    acts_inside = False

    @property
    def writes(self) -> bool:
        """Whether the output channels are units of the layer's own."""
        return self.reads

    def trace(self, step: Step) -> list[np.ndarray]:
        """Ids of each output tensor; ties and pins units on the way."""
        raise NotImplementedError(f"{type(self).__name__} must define trace")

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """Each output channel's value at inference, NaN where it varies.

        Args:
            step: the call.
            inputs: the same of each input tensor, shaped like its ids.
        """
        return [np.full(ids.shape, np.nan) for ids in step.outputs]

    def needed(self, step: Step, index: int, kept: np.ndarray) -> np.ndarray:
        """Which channels of input `index` the kept outputs depend on.

        Args:
            step: the call, of a rule that reads.
            index: which input.
            kept: bool per unit of the table.
        """
        return np.ones(step.inputs[index].shape, bool)

    def recurs(self, step: Step, kept: np.ndarray) -> np.ndarray:
        """Which channels of its own output the kept outputs depend on.

        None, but where a layer feeds its output back to itself.
        """
        return np.zeros(step.outputs[0].shape, bool)

    def takes(self, step: Step, rows: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Which channels of the first input are worth taking in.

        All that there are, but where a layer picks out those that it reads:
        worth a gather where the product with the kernel is large.

        Args:
            step: the call.
            rows: bool per channel of the first input: what is there.
            kept: bool per unit of the table.
        """
        return rows

    def holds(
        self,
        step: Step,
        kept: np.ndarray,
        inputs: list[np.ndarray],
        outputs: list[np.ndarray],
    ) -> Iterator[Hold]:
        """Units that cannot go as long as this step is there.

        Args:
            step: the call.
            kept: bool per unit of the table.
            inputs: the constants of each input, NaN where it varies.
            outputs: those of each output.
        """
        if not self.reads:
            return
        for index, (ids, values) in enumerate(zip(step.inputs, inputs, strict=True)):
            needed = self.needed(step, index, kept).reshape(-1)
            ids, values = ids.reshape(-1), values.reshape(-1)
            varies = np.isnan(values)
            yield Hold(ids[needed & varies])
            border = needed & ~varies & (values != 0)
            if border.any() and not self.foldable(step, index):
                yield Hold(ids[border], f"{BORDER} of {step.name}")
        fed_back = self.recurs(step, kept).reshape(-1)
        fed_back &= np.isnan(outputs[0].reshape(-1))
        yield Hold(step.outputs[0].reshape(-1)[fed_back])

    def settles(self, step: Step, zero: bool) -> bool:
        """Whether constant inputs give constant outputs, whatever the weights.

        Args:
            step: the call.
            zero: whether these constants are 0.
        """
        fill = np.zeros if zero else np.ones
        outputs = self.constants(step, [fill(ids.shape) for ids in step.inputs])
        return not any(np.isnan(values).any() for values in outputs)

    def foldable(self, step: Step, index: int) -> bool:
        """Whether constants other than 0 on input `index` fold into a bias."""
        return False

    def macs(self, step: Step) -> list[Term]:
        """Multiply-accumulates of one call for one example."""
        return []

    def parameters(self, step: Step) -> list[Term]:
        """Entries of the layer's weights."""
        return [Term(float(getattr(step.layer, "count_params", int)()))]

    def shrink(self, step: Step, cut: "Cut") -> tuple[dict[str, Any], Any]:
        """Configuration and weights of the layer that is left.

        Args:
            step: the call.
            cut: what stays.

        Returns:
            Changes to the layer's configuration, and its weights: by name, or
            as a list in the layer's order. Empty where nothing changes.
        """
        return {}, {}

    def vanishes(self, step: Step, cut: "Cut") -> bool:
        """Whether nothing is left for the layer to do on the kept channels."""
        return False

    def perform(
        self, step: Step, cut: "Cut", call: Callable, args: tuple, kwargs: dict
    ) -> Any:
        """Make this call in the smaller model, and return its outputs.

        Args:
            step: the call.
            cut: what stays.
            call: calls the smaller layer on the arguments that it is given.
            args: positional arguments, with the smaller model's tensors.
            kwargs: keyword arguments, likewise.
        """
        return call(*args, **kwargs)

    def leak_free(self, step: Step) -> bool:
        """Whether closed inputs leave closed outputs at exactly 0."""
        return True


@dataclass(eq=False)
class Cut:
    """What stays of each unit, and the constants that folding must account for.

    Attributes:
        kept: bool per unit of the table.
        constants: of each input of the step, NaN where it varies.
        rows: bool per channel of the first input: what the step still takes.
            All of them for a step that does not read.
        gone: per input whether it is constant altogether and left out.
        free_name: wanted name -> one that no layer of the model has.
    """

    kept: np.ndarray
    units: UnitTable
    constants: list[np.ndarray]
    rows: np.ndarray
    gone: list[bool]
    free_name: Callable[[str], str]

    def along(self, ids: np.ndarray) -> np.ndarray:
        """Boolean vector over `ids`, flattened: what stays."""
        return self.kept[self.units.root(ids.reshape(-1))]


@singledispatch
def rule_for(layer: Any) -> Rule | None:
    """The rule for a layer, found by its class; subclasses inherit. None: unknown."""
    return None


def register(*classes: type) -> Any:
    """Class decorator: this rule speaks for these layer classes.

    Example:

    >>> import keras, keras_diffmask as kd
    >>> from keras_diffmask import graph
    >>> class Halve(keras.layers.Layer):
    ...     def call(self, x):
    ...         return 0.5 * x
    >>> @graph.register(Halve)
    ... class HalveRule(graph.Channelwise):
    ...     def constants(self, step, inputs):
    ...         return [0.5 * inputs[0]]
    """

    def decorate(rule_class: type[Rule]) -> type[Rule]:
        rule = rule_class()
        for layer_class in classes:
            rule_for.register(layer_class)(lambda _layer, rule=rule: rule)
        return rule_class

    return decorate


def last_axis(ids: np.ndarray) -> np.ndarray | None:
    """The ids along the last axis, or None where they vary along another."""
    return ids.reshape(-1) if on_last_axis(ids) else None


class Channelwise(Rule):
    """Each output channel depends on the input channel at its place alone.

    For a layer of one input and one output of the same channels. A subclass
    says what it makes of a constant, and cuts its weights in `shrink`.
    """

    def trace(self, step: Step) -> list[np.ndarray]:
        return [step.inputs[0]]

    def leak_free(self, step: Step) -> bool:
        zeros = [np.zeros(ids.shape) for ids in step.inputs]
        return all(np.all(values == 0) for values in self.constants(step, zeros))
