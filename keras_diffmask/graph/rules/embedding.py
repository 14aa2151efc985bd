"""Embedding, which writes units and reads none, and Masking."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_diffmask.graph.axes import spread
from keras_diffmask.graph.rule import Channelwise, Cut, Hold, Rule, Step, Term, register
from keras_diffmask.graph.rules import weights


@register(keras.layers.Embedding)
class EmbeddingRule(Rule):
    """A row per token: its width is cut, its vocabulary stays."""

    @property
    def writes(self) -> bool:
        return True

    def trace(self, step: Step) -> list[np.ndarray]:
        step.units.pin(step.inputs[0], f"{step.name} reads tokens")
        if weights.is_altered(step.layer):
            return step.bar(f"{step.name} is quantized or has LoRA weights")
        rank = len(step.call.outputs[0].shape) - 1
        return [spread(step.units.new(step.layer.output_dim), rank)]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        if weights.is_altered(step.layer):
            return super().constants(step, inputs)
        table = weights.array(step.layer.embeddings)
        same = np.all(table == table[:1], axis=0)
        return [np.where(same, table[0], np.nan).reshape(step.outputs[0].shape)]

    def parameters(self, step: Step) -> list[Term]:
        if weights.is_altered(step.layer):
            return super().parameters(step)
        return [Term(step.layer.input_dim, None, step.outputs[0].reshape(-1))]

    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], Any]:
        if weights.is_altered(step.layer):
            return {}, {}
        stays = cut.along(step.outputs[0])
        table = weights.array(step.layer.embeddings)[:, stays]
        return {"output_dim": int(stays.sum())}, {"embeddings": table}


@register(keras.layers.Masking)
class MaskingRule(Channelwise):
    """Masks the time steps at which every channel has the mask value."""

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        # A masked step is set to 0 in the output.
        return [np.where(inputs[0] == 0, 0.0, np.nan)]

    def holds(
        self,
        step: Step,
        kept: np.ndarray,
        inputs: list[np.ndarray],
        outputs: list[np.ndarray],
    ) -> Iterator[Hold]:
        values = inputs[0].reshape(-1)
        ids = step.inputs[0].reshape(-1)
        reason = f"{step.name} compares it with its mask value {step.layer.mask_value}"
        # Of a channel that always has the mask value nothing depends.
        yield Hold(ids[~(values == step.layer.mask_value)], reason)
