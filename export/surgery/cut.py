"""Cut: build the smaller model that a proof allows."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from keras_diffmask import rebuild
from keras_diffmask.errors import RuleError
from keras_diffmask.graph import Cut, Proof, Step
from keras_diffmask.keras_internals import Call


def cut(proof: Proof, model_class: type[keras.Model] = keras.Model) -> keras.Model:
    """Return the stock model with every unit gone that `proof` lets go."""
    return _Cutter(proof).run(model_class)


def parameters_left(proof: Proof) -> int:
    """Entries of all weights of the model that `cut` would return."""
    total = 0
    for step, left in shrunk_weights(proof):
        arrays = list(left.values()) if isinstance(left, dict) else left
        sizes = [np.size(array) for array in arrays]
        total += sum(sizes) if sizes else step.layer.count_params()
    return total


def shrunk_weights(
    proof: Proof, change: Callable[[Cut], Cut] = lambda what: what
) -> Iterator[tuple[Step, Any]]:
    """The weights that each layer keeps, as `Rule.shrink` says; empty where all.

    Args:
        proof: what may go. Its model's layers are asked for their weights now.
        change: what is to be cut -> what is to be cut instead.
    """
    for step in {id(step.layer): step for step in reversed(proof.live)}.values():
        what = _what_stays(proof, step, str)
        if not step.rule.vanishes(step, what) and hasattr(step.layer, "count_params"):
            yield step, step.rule.shrink(step, change(what))[1]


def _what_stays(proof: Proof, step: Step, free_name: Callable[[str], str]) -> Cut:
    indices = range(len(step.inputs))
    return Cut(
        kept=proof.kept,
        units=proof.graph.units,
        constants=[proof.value(step, index) for index in indices],
        rows=proof.rows(step),
        gone=[(id(step), index) in proof.cut_inputs for index in indices],
        free_name=free_name,
    )


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
        return _what_stays(self.proof, step, self.rebuilder.free_name)

    def _make(self, old: Any) -> Any:
        step = self.first[id(old)]
        changes, weights = step.rule.shrink(step, self._cut(step))
        self.weights[id(old)] = weights or rebuild.arrays_without_gates(old)
        return rebuild.clone(old, **changes)
