"""What rules are asked about: a call, what it counts, and what stays of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_diffmask.graph.axes import spread
from keras_diffmask.graph.units import UnitTable
from keras_diffmask.keras_internals import Call, mask_of

if TYPE_CHECKING:
    from keras_diffmask.graph.rule import Rule


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
    def always_trains(self) -> bool:
        """Whether the call says `training=True`, and noise and statistics stay on."""
        return self.call.arguments.kwargs.get("training") is True

    @property
    def can_lose_inputs(self) -> bool:
        """Whether a sum is what is left of it where some inputs are 0.

        Of a broadcast that may have another shape, and of inputs that Keras
        masks differently other time steps would be masked.
        """
        inputs, (output, *_) = self.call.inputs, self.call.outputs
        if not self.rule.sums_inputs or len(inputs) < 2:
            return False
        shapes = {tuple(tensor.shape) for tensor in inputs}
        masks = [mask_of(tensor) for tensor in inputs]
        same = all(mask is masks[0] for mask in masks)
        return (
            len(shapes) == 1
            and same
            and (mask_of(output) is None) == (masks[0] is None)
        )

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
