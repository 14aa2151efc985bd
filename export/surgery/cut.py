"""Cut: build the smaller model that a proof allows."""

from typing import Any

import keras

from keras_diffmask import rebuild
from keras_diffmask.errors import RuleError
from keras_diffmask.graph import Cut, Proof, Step, what_stays
from keras_diffmask.keras_internals import Call


def cut(proof: Proof, model_class: type[keras.Model] = keras.Model) -> keras.Model:
    """Return the stock model with every unit gone that `proof` lets go."""
    return _Cutter(proof).run(model_class)


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

    def run(self, model_class: type[keras.Model]) -> keras.Model:
        return self.rebuilder.run(self._perform, model_class)

    def _perform(self, call: Call, args: tuple, kwargs: dict) -> Any:
        step = self.steps.get(id(call.outputs[0]))
        if step is None:
            return None
        what = self._cut(step)
        if step.rule.vanishes(step, what):
            return args[0]

        def smaller(*args: Any, **kwargs: Any) -> Any:
            return self._call(step, args, kwargs)

        outputs = step.rule.perform(step, what, smaller, args, kwargs)
        self.rebuilder.name_after(step.layer, outputs)
        return outputs

    def _call(self, step: Step, args: tuple, kwargs: dict) -> Any:
        try:
            return self.rebuilder.call(step.layer, args, kwargs)
        except ValueError as error:
            raise RuleError(
                f"{type(step.rule).__name__}.shrink to fit layer {step.name!r} to the "
                "channels that stay",
                str(error).splitlines()[0],
                "Return its changed configuration, and all of its weights.",
            ) from error

    def _cut(self, step: Step) -> Cut:
        return what_stays(self.proof, step, self.rebuilder.free_name)

    def _make(self, old: Any) -> Any:
        step = self.first[id(old)]
        changes, weights = step.rule.shrink(step, self._cut(step))
        self.weights[id(old)] = weights or rebuild.arrays_without_gates(old)
        return rebuild.clone(old, **changes)
