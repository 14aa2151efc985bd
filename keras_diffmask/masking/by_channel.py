"""Mask a model with shared gates: one per set of tied channels, or per branch."""

from typing import Any

import keras
import numpy as np

from keras_diffmask import rebuild
from keras_diffmask.budget import (
    LOWEST,
    Budget,
    BudgetController,
    Limit,
    check_reachable,
    unit_costs,
    warn_if_free,
)
from keras_diffmask.costs import (
    NAMES,
    WeightPenalty,
    gated_cost,
    warn_of_unknown,
)
from keras_diffmask.errors import BudgetError, InvalidArgumentError
from keras_diffmask.gate import Gate
from keras_diffmask.graph import ChannelGraph
from keras_diffmask.keras_internals import Call
from keras_diffmask.layers import STOCK_TO_MASKED, ChannelMask
from keras_diffmask.masking.gate_settings import GateSettings
from keras_diffmask.masking.groups import Placement, units_in_block
from keras_diffmask.masking.masked_model import MaskedModel
from keras_diffmask.masking.selection import Selection
from keras_diffmask.masking.start import (
    below_one,
    clone_estimator,
    fold_inverse,
    initial_gate,
)
from keras_diffmask.masking.told import told_steps


class ChannelMasker:
    """Rebuilds a model with shared gates, where a placement has them.

    Args:
        graph: the channel graph of the model.
        placement: which gates there are, and what their masks multiply.
        selection: which estimators they get.
        budget: what `fit` is to reach, or None.
        settings: what the gates have in common.
    """

    def __init__(
        self,
        graph: ChannelGraph,
        placement: Placement,
        selection: Selection,
        budget: Budget | None,
        settings: GateSettings,
    ) -> None:
        self.graph = graph
        self.budget = budget
        self.settings = settings
        self.placement = placement
        self.estimators = [
            selection.estimator_of(writer.layer for writer in item.writers)
            for item in self.placement.groups
        ]
        self._refuse_fixed_counts()
        # Per gate, the inference gate at the start.
        self.starts = np.array([initial_gate(one) for one in self.estimators])
        self._refuse_what_no_weight_can_hold()
        # By output, what calls are told of closed channels around them.
        told = list(told_steps(graph, placement, settings.integers))
        self.told = {id(step.call.outputs[0]): masks for step, masks in told}
        self.told_layers = {id(step.layer) for step, _ in told}
        self.rebuilder = rebuild.Rebuilder(graph.model, self._make, rebuild.arrays)
        self.gates = [self._gate(i) for i in range(len(self.placement.groups))]
        self.masks: list[Any] = []

    def run(self, model_class: type[MaskedModel] = MaskedModel) -> MaskedModel:
        charging = [self._controller(self.budget)] if self.budget else []
        charging += self._penalties()
        rebuilder = self.rebuilder
        folded: set[int] = set()
        place = self._place_of_read_input()

        def prepare(inputs: list[Any]) -> list[Any]:
            passed = inputs[place]
            is_ranked = self.budget is not None and self.budget.charged == LOWEST
            told = [gate(passed, ranked=is_ranked) for gate in self.gates]
            self.masks, keeps, *scores = (list(one) for one in zip(*told, strict=True))
            for layer in charging:
                more = scores if isinstance(layer, BudgetController) else []
                passed = layer(passed, keeps, *more)
            return [*inputs[:place], passed, *inputs[place + 1 :]]

        def perform(call: Call, args: tuple, kwargs: dict) -> Any:
            key = id(call.operation)
            site = self.placement.weight_sites.get(key)
            if site is not None:
                kwargs["gate_mask"] = self._mask(site)
            told = self.told.get(id(call.outputs[0]), {})
            kwargs |= {name: self._open(ids) for name, ids in told.items()}
            outputs = rebuilder.call(call.operation, args, kwargs)
            if site is not None and key not in folded:
                folded.add(key)
                self._fold_inverse(rebuilder.layer(call.operation), site)
            return self._masked_outputs(call, outputs)

        return rebuilder.run(perform, model_class, prepare)

    def _place_of_read_input(self) -> int:
        """The first input that a layer reads: what hangs on another is in no graph."""
        read = {id(x) for step in self.graph.steps for x in step.call.inputs}
        return next(i for i, x in enumerate(self.graph.model.inputs) if id(x) in read)

    def _open(self, ids: Any) -> Any:
        """Which channels are open, as 0 or 1; of several tensors, by name."""
        if isinstance(ids, dict):
            return {name: self._open(part) for name, part in ids.items()}
        mask = self._mask(ids.reshape(-1))
        return keras.ops.cast(keras.ops.not_equal(mask, 0.0), "float32")

    def _masked_outputs(self, call: Call, outputs: Any) -> Any:
        """The outputs of a call, times their masks where those go on outputs."""
        sites = [self.placement.output_sites.get(id(t)) for t in call.outputs]
        if all(ids is None for ids in sites):
            return outputs
        flat = [
            tensor
            if ids is None
            else self._output_mask(call, tensor)(tensor, gate_mask=self._mask(ids))
            for tensor, ids in zip(keras.tree.flatten(outputs), sites, strict=True)
        ]
        return keras.tree.pack_sequence_as(outputs, flat)

    def _refuse_what_no_weight_can_hold(self) -> None:
        for step in self.graph.steps:
            for tensor in step.call.outputs:
                ids = self.placement.output_sites.get(id(tensor))
                if ids is not None and np.any(self._starts_of(ids) != 1.0):
                    raise below_one(step.layer, self._starts_of(ids).min())

    def _refuse_fixed_counts(self) -> None:
        """A count that is given cannot be made to fit something else."""
        for estimator in self.estimators:
            name = type(estimator).__name__
            if not estimator.has_fixed_count:
                continue
            if self.budget is not None:
                raise BudgetError(
                    "an estimator that finds out how many units stay, for a budget",
                    f"{name}, which keeps exactly k of n and so is its own budget",
                    "Choose k and drop the budget, or pass 'hard_concrete'.",
                )
            if self.settings.multiple > 1:
                raise InvalidArgumentError(
                    "an estimator that finds out how many units stay, for a "
                    "channel_multiple",
                    f"{name}, which keeps exactly k of n, and channel_multiple="
                    f"{self.settings.multiple}",
                    "Choose k as that multiple and drop channel_multiple.",
                )

    def _starts_of(self, ids: np.ndarray) -> np.ndarray:
        """The inference gate of these ids at the start."""
        gates = self.placement.gate_of[self.graph.units.root(ids.reshape(-1))]
        return np.where(gates < 0, 1.0, self.starts[gates])

    def _output_mask(self, call: Call, tensor: Any) -> ChannelMask:
        name = self.rebuilder.free_name(f"{call.operation.name}_gated")
        # The precision of what it masks, whatever the policy is by now. An
        # operator has none of its own, but its output has a type.
        dtype = getattr(call.operation, "dtype_policy", tensor.dtype)
        return ChannelMask(estimator=None, name=name, dtype=dtype)

    def _gate(self, index: int) -> Gate:
        group = self.placement.groups[index]
        sizes = sum(
            float(np.prod(weight.shape)) / len(group.roots)
            for layer in {id(w.layer): w.layer for w in group.writers}.values()
            for weight in getattr(layer, "weights", [])
        )
        return Gate(
            len(group.roots),
            clone_estimator(self.estimators[index]),
            regularizer=None if self._counts_weights else self.settings.regularizer,
            weights_per_gate=max(sizes, 1.0),
            min_keep=self.placement.min_keep[index],
            logit_scale=self.settings.logit_scale,
            multiple=units_in_block(self.graph, group, self.settings.multiple),
            name=self.rebuilder.free_name(f"{group.name}_gate"),
        )

    def _mask(self, ids: np.ndarray) -> Any:
        """The mask of these ids: a vector, or shaped to multiply a tensor.

        Their units may be of several gates, side by side, or of none.
        """
        roots = self.graph.units.root(ids.reshape(-1))
        gates = self.placement.gates_of(roots)
        place = np.full(len(self.graph.units), -1)
        start = 0
        for gate in gates:
            members = self.placement.groups[gate].roots
            place[members] = np.arange(start, start + len(members))
            start += len(members)
        parts = [self.masks[gate] for gate in gates]
        places = place[roots]
        if (places < 0).any():
            # What has no gate is multiplied by 1.
            parts.append(keras.ops.ones_like(keras.ops.take(parts[0], [0])))
            places = np.where(places < 0, start, places)
        mask = keras.ops.concatenate(parts) if len(parts) > 1 else parts[0]
        if not np.array_equal(places, np.arange(mask.shape[0])):
            mask = keras.ops.take(mask, places.tolist())
        on_last = ids.ndim == 0 or ids.shape[-1] == ids.size
        return mask if on_last else keras.ops.reshape(mask, (1, *ids.shape))

    def _make(self, old: Any) -> Any:
        sites = self.placement.weight_sites
        if id(old) not in sites and id(old) not in self.told_layers:
            return rebuild.clone(old)
        masked = STOCK_TO_MASKED[type(old)]
        return masked.from_config({**old.get_config(), **masked.without_gates})

    def _fold_inverse(self, layer: Any, site: np.ndarray) -> None:
        start = self._starts_of(site)
        if np.all(start == 1.0):
            return
        if layer.masks_output:
            raise below_one(layer, start.min())
        fold_inverse(layer, start)

    @property
    def _counts_weights(self) -> bool:
        """Whether the penalty is on the weights of the model, not gate by gate."""
        return bool(getattr(self.settings.regularizer, "counts_weights", False))

    def _penalties(self) -> list[WeightPenalty]:
        if not self._counts_weights:
            return []
        regularizer = self.settings.regularizer
        for gate in self.gates:
            regularizer.check(gate)
        cost = self._cost("parameters").under_gates()
        name = self.rebuilder.free_name("weight_penalty")
        return [WeightPenalty(cost.get_config(), regularizer, name=name)]

    def _cost(self, name: str, measured: Any = None) -> Any:
        placement = self.placement
        parts = placement.gate_of, placement.sizes, placement.branches
        return gated_cost(name, self.graph, *parts, measured, **self.settings.format)

    def _controller(self, budget: Budget) -> BudgetController:
        placement, sizes = self.placement, self.placement.sizes
        costs = {
            name: self._cost(name, budget.found)
            for name in NAMES
            if getattr(budget, name) is not None
        }
        dense = {name: cost.dense(sizes) for name, cost in costs.items()}
        most = budget.limits(dense)
        check_reachable(
            [Limit(costs[n], value, budget.costs[n]) for n, value in most.items()],
            [np.zeros(size) for size in sizes],
            placement.min_keep,
            [gate.multiple for gate in self.gates],
        )
        warn_if_free(dense, most, budget.costs)
        # Of a budget that is refused, nobody needs to know how it was counted.
        for cost in costs.values():
            warn_of_unknown(cost, self.graph)
        return BudgetController(
            limits=[
                {
                    "cost": costs[name].get_config(),
                    "dense": dense[name],
                    "most": min(value, dense[name]),
                    **(
                        {"units": unit_costs(costs[name], list(sizes))}
                        if budget.charged == LOWEST
                        else {}
                    ),
                }
                for name, value in most.items()
            ],
            gate_names=[gate.name for gate in self.gates],
            search=budget.search,
            ramp=budget.ramp,
            warmup=budget.warmup,
            name=self.rebuilder.free_name("budget"),
        )
