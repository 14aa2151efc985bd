"""Cut: build the smaller model that a proof allows."""

from typing import Any

import keras
import numpy as np

from keras_diffmask import rebuild
from keras_diffmask.graph import Cut, Proof, Step
from keras_diffmask.keras_internals import Call


def cut(proof: Proof) -> keras.Model:
    """Return the stock model with every unit gone that `proof` lets go."""
    return _Cutter(proof).run()


class _Cutter:
    def __init__(self, proof: Proof) -> None:
        self.proof = proof
        self.steps = {id(step.call.outputs[0]): step for step in proof.live}
        # A layer called several times is cut alike in each of its calls.
        self.first: dict[int, Step] = {}
        for step in proof.live:
            self.first.setdefault(id(step.layer), step)
        self.weights: dict[int, Any] = {}
        self.rebuilder = rebuild.Rebuilder(
            proof.graph.model, self._make, lambda old: self.weights[id(old)]
        )

    def run(self) -> keras.Model:
        return self.rebuilder.run(self._perform)

    def _perform(self, call: Call, args: tuple, kwargs: dict) -> Any:
        step = self.steps.get(id(call.outputs[0]))
        if step is None:
            return None
        if step.rule.sums_inputs:
            gone = [
                (id(step), index) in self.proof.cut_inputs
                for index in range(len(step.inputs))
            ]
            if any(gone):
                return self._without_branches(step, list(args[0]), gone, kwargs)
        if step.rule.gathers_input:
            args = (self._gathered(step, args[0]), *args[1:])
        if step.rule.vanishes(step, self._cut(step)):
            return args[0]
        return self.rebuilder.call(step.layer, args, kwargs)

    def _cut(self, step: Step) -> Cut:
        proof = self.proof
        inputs = [proof.value(step, index) for index in range(len(step.inputs))]
        return Cut(proof.kept, proof.graph.units, inputs, proof.rows(step))

    def _make(self, old: Any) -> Any:
        step = self.first[id(old)]
        changes, weights = step.rule.shrink(step, self._cut(step))
        if not weights:
            self.weights[id(old)] = rebuild.arrays(old)
            if not changes:
                return rebuild.clone(old)
        new = type(old).from_config({**old.get_config(), **changes})
        if weights:
            self.weights[id(old)] = weights
        return new

    def _gathered(self, step: Step, tensor: Any) -> Any:
        kept, rows = self.proof.stays(step.inputs[0]), self.proof.rows(step)
        if np.array_equal(rows, kept):
            return tensor
        # The channels themselves must stay, for another reader or because
        # they are the model's input: this layer picks out those it reads.
        places = np.flatnonzero(rows[kept]).tolist()
        return keras.ops.take(tensor, places, axis=-1)

    def _without_branches(
        self, step: Step, operands: list, gone: list[bool], kwargs: dict
    ) -> Any:
        kept = self.proof.stays(step.outputs[0])
        offset = np.zeros(len(kept))
        for index, is_gone in enumerate(gone):
            if is_gone:
                offset = offset + self.proof.value(step, index).reshape(-1)
        rest = [x for x, is_gone in zip(operands, gone, strict=True) if not is_gone]
        result = rest[0]
        if len(rest) > 1:
            result = self.rebuilder.call(step.layer, (rest,), kwargs)
        if np.any(offset[kept] != 0):
            shift = keras.layers.Rescaling(
                1.0,
                # An array: a list would go through float32 in any model.
                offset[kept],
                name=self.rebuilder.free_name(f"{step.name}_constant"),
                dtype=step.layer.dtype_policy,
            )
            result = shift(result)
        return result
