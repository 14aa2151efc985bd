"""Mask a model channel by channel: one gate per set of tied channels."""

from typing import Any

import keras
import numpy as np

from keras_diffmask import rebuild
from keras_diffmask.budget import Budget, BudgetController, Limit, check_reachable
from keras_diffmask.costs import NAMES, gated_cost
from keras_diffmask.estimators import Estimator
from keras_diffmask.gate import Gate
from keras_diffmask.graph import ChannelGraph
from keras_diffmask.keras_internals import Call
from keras_diffmask.layers import STOCK_TO_MASKED, ChannelMask
from keras_diffmask.masking.masked_model import MaskedModel
from keras_diffmask.masking.placement import Placement, place
from keras_diffmask.masking.start import (
    below_one,
    clone_estimator,
    fold_inverse,
    initial_gate,
    nothing_to_mask,
)


class ChannelMasker:
    """Rebuilds a model with shared gates on sets of tied channels."""

    def __init__(
        self,
        graph: ChannelGraph,
        estimator: Estimator,
        regularizer: Any,
        budget: Budget | None,
        logit_scale: float,
    ) -> None:
        self.graph = graph
        self.estimator = estimator
        self.regularizer = regularizer
        self.budget = budget
        self.logit_scale = logit_scale
        self.start = initial_gate(estimator)
        self.placement: Placement = place(graph)
        if not self.placement.groups:
            raise nothing_to_mask(graph.model)
        self._refuse_what_no_weight_can_hold()
        self.rebuilder = rebuild.Rebuilder(graph.model, self._make, rebuild.arrays)
        self.gates = [self._gate(i) for i in range(len(self.placement.groups))]
        self.masks: list[Any] = []

    def run(self) -> MaskedModel:
        controller = self._controller(self.budget) if self.budget else None
        rebuilder = self.rebuilder
        folded: set[int] = set()

        def prepare(inputs: list[Any]) -> list[Any]:
            pairs = [gate(inputs[0]) for gate in self.gates]
            self.masks = [mask for mask, _ in pairs]
            if controller is None:
                return inputs
            first = controller(inputs[0], [probability for _, probability in pairs])
            return [first, *inputs[1:]]

        def perform(call: Call, args: tuple, kwargs: dict) -> Any:
            key = id(call.operation)
            site = self.placement.weight_sites.get(key)
            if site is not None:
                kwargs["gate_mask"] = self._mask(site, key)
            outputs = rebuilder.call(call.operation, args, kwargs)
            if site is not None and key not in folded:
                folded.add(key)
                self._fold_inverse(rebuilder.layer(call.operation))
            key = id(call.outputs[0])
            if key in self.placement.output_sites:
                mask = self._mask(self.placement.output_sites[key], key)
                outputs = self._output_mask(call.operation)(outputs, gate_mask=mask)
            return outputs

        return rebuilder.run(perform, MaskedModel, prepare)

    def _refuse_what_no_weight_can_hold(self) -> None:
        for step in self.graph.steps:
            if self.start != 1.0 and any(
                id(tensor) in self.placement.output_sites
                for tensor in step.call.outputs
            ):
                raise below_one(step.layer, self.start)

    def _output_mask(self, operation: Any) -> ChannelMask:
        name = self.rebuilder.free_name(f"{operation.name}_gated")
        # The precision of what it masks, whatever the policy is by now.
        dtype = getattr(operation, "dtype_policy", None)
        return ChannelMask(estimator=None, name=name, dtype=dtype)

    def _gate(self, index: int) -> Gate:
        group = self.placement.groups[index]
        sizes = sum(
            float(np.prod(weight.shape)) / len(group.roots)
            for writer in group.writers
            for weight in getattr(writer.layer, "weights", [])
        )
        return Gate(
            len(group.roots),
            clone_estimator(self.estimator),
            regularizer=self.regularizer,
            weights_per_gate=max(sizes, 1.0),
            min_keep=group.min_keep,
            logit_scale=self.logit_scale,
            name=self.rebuilder.free_name(group.name),
        )

    def _mask(self, group: int, key: int) -> Any:
        mask = self.masks[group]
        places = self.placement.positions.get(key)
        return mask if places is None else keras.ops.take(mask, places)

    def _make(self, old: Any) -> Any:
        if id(old) not in self.placement.weight_sites:
            return rebuild.clone(old)
        masked = STOCK_TO_MASKED[type(old)]
        return masked.from_config({**old.get_config(), **masked.without_gates})

    def _fold_inverse(self, layer: Any) -> None:
        if self.start == 1.0:
            return
        if layer.masks_output:
            raise below_one(layer, self.start)
        fold_inverse(layer, self.start)

    def _controller(self, budget: Budget) -> BudgetController:
        gate_of = self.placement.gate_of_unit()
        sizes = [len(group.roots) for group in self.placement.groups]
        costs = {
            name: gated_cost(
                name, self.graph, gate_of, len(sizes), self.placement.branches
            )
            for name in NAMES
        }
        dense = {name: cost.dense(sizes) for name, cost in costs.items()}
        most = budget.limits(dense)
        check_reachable(
            [Limit(costs[name], value) for name, value in most.items()],
            [np.zeros(size) for size in sizes],
            [group.min_keep for group in self.placement.groups],
        )
        return BudgetController(
            limits=[
                {
                    "cost": costs[name].get_config(),
                    "dense": dense[name],
                    "most": min(value, dense[name]),
                }
                for name, value in most.items()
            ],
            gate_names=[gate.name for gate in self.gates],
            search=budget.search,
            ramp=budget.ramp,
            name=self.rebuilder.free_name("budget"),
        )
