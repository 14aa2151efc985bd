"""The interface of a rule, and the table that finds the rule for a layer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import numpy as np

from keras_diffmask.graph.units import UnitTable
from keras_diffmask.keras_internals import Call


@dataclass(eq=False)
class Step:
    """One call of a layer, with the units of the tensors it takes and gives.

    Attributes:
        call: the call in the Keras graph.
        rule: the rule that speaks for the layer.
        inputs: ids of each input tensor.
        outputs: ids of each output tensor.
        units: the table the ids belong to.
    """

    call: Call
    rule: "Rule"
    inputs: list[np.ndarray]
    units: UnitTable
    outputs: list[np.ndarray] = field(default_factory=list)

    @property
    def layer(self) -> Any:
        return self.call.operation

    @property
    def name(self) -> str:
        return self.layer.name

    def spread(self, shape: tuple[int | None, ...], ids: np.ndarray) -> np.ndarray:
        """Shape a vector of ids so that it runs along the last axis."""
        return ids.reshape((1,) * (len(shape) - 2) + (-1,))


@dataclass(frozen=True, eq=False)
class Term:
    """A product that counts: factor x (units in `rows`) x (units in `columns`).

    Both id arrays keep their multiplicity; None stands for the number 1.
    `takes_input` says that the rows are the step's first input, of which it
    may read less than there is (`Rule.gathers_input`).
    """

    factor: float
    rows: np.ndarray | None
    columns: np.ndarray | None
    takes_input: bool = False

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
        if self.columns is not None:
            total *= count(self.columns)
        return total


class Rule:
    """How one family of layers treats channels.

    A rule answers for a layer without changing it. `trace` is always asked
    first; the other questions come with the `Step` that it filled.
    """

    #: Whether an output channel mixes input channels. Such a layer *reads*
    #: its input; a channelwise layer passes units through.
    reads = False
    #: Whether a reader picks out the channels it needs from an input that has
    #: to keep others as well. Worth a gather where the kernel product is large.
    gathers_input = False
    #: Whether the output is the plain sum of the inputs.
    sums_inputs = False

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
        return [Term(float(getattr(step.layer, "count_params", int)()), None, None)]

    def shrink(self, step: Step, cut: "Cut") -> tuple[dict[str, Any], dict[str, Any]]:
        """Configuration and weights of the layer that is left.

        Args:
            step: the call.
            cut: what stays.

        Returns:
            Changes to the layer's configuration, and its weights by name.
        """
        return {}, {}

    def vanishes(self, step: Step, cut: "Cut") -> bool:
        """Whether nothing is left for the layer to do on the kept channels."""
        return False

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
    """

    kept: np.ndarray
    units: UnitTable
    constants: list[np.ndarray]
    rows: np.ndarray

    def along(self, ids: np.ndarray) -> np.ndarray:
        """Boolean vector over `ids`, flattened: what stays."""
        return self.kept[self.units.root(ids.reshape(-1))]


@singledispatch
def rule_for(layer: Any) -> Rule | None:
    """The rule for a layer, found by its class; subclasses inherit. None: unknown."""
    return None


def register(*classes: type) -> Any:
    """Class decorator: this rule speaks for these layer classes."""

    def decorate(rule_class: type[Rule]) -> type[Rule]:
        rule = rule_class()
        for layer_class in classes:
            rule_for.register(layer_class)(lambda _layer, rule=rule: rule)
        return rule_class

    return decorate


def last_axis(ids: np.ndarray) -> np.ndarray | None:
    """The ids along the last axis, or None where they vary along another."""
    return ids.reshape(-1) if ids.size == ids.shape[-1] else None
