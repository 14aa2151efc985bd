"""Add: the channels that meet are tied, and live and die together."""

import keras
import numpy as np

from keras_diffmask.graph.rule import Rule, Step, register


@register(keras.layers.Add)
class AddRule(Rule):
    sums_inputs = True

    def trace(self, step: Step) -> list[np.ndarray]:
        first = step.inputs[0]
        shapes = {tuple(tensor.shape) for tensor in step.call.inputs}
        if len(shapes) > 1 or any(ids.shape != first.shape for ids in step.inputs):
            for ids in step.inputs:
                step.units.pin(ids, f"{step.name} broadcasts its inputs")
            full = step.call.outputs[0].shape[1:]
            out = step.units.new(full[-1])
            step.units.pin(out, f"{step.name} broadcasts its inputs")
            return [step.spread((None, *full), out)]
        for ids in step.inputs[1:]:
            step.units.tie(first.reshape(-1), ids.reshape(-1))
        return [first]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        if any(values.shape != step.outputs[0].shape for values in inputs):
            return super().constants(step, inputs)
        return [np.sum(inputs, axis=0)]
