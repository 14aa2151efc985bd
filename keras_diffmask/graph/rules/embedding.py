"""Embedding, which writes units and reads none, its way back, and Masking."""

import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_diffmask.graph.axes import on_last_axis, spread
from keras_diffmask.graph.rule import Channelwise, Cut, Hold, Rule, Step, Term, register
from keras_diffmask.graph.rules import weights
from keras_diffmask.keras_internals import Call


class _Table(Rule):
    """A row per token: the width is cut, the vocabulary stays."""

    def width(self, step: Step) -> np.ndarray:
        """Ids along the table's columns, as a vector."""
        raise NotImplementedError

    def along_weights(self, step: Step) -> tuple[list[np.ndarray], ...]:
        return ([self.width(step)],)

    def parameters(self, step: Step) -> list[Term]:
        if weights.is_quantized(step.layer):
            return super().parameters(step)
        return [
            Term(len(self._tables(step)) * step.layer.input_dim, None, self.width(step))
        ]

    def _tables(self, step: Step) -> dict[str, np.ndarray]:
        """Weights by name, their columns those of the table."""
        found = {"embeddings": weights.array(step.layer.embeddings)}
        if not getattr(step.layer, "tie_weights", True):
            found["reverse_embeddings"] = weights.array(step.layer.reverse_embeddings).T
        return found

    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], Any]:
        if weights.is_quantized(step.layer):
            return {}, {}
        stays = cut.along(self.width(step))
        left = {name: table[:, stays] for name, table in self._tables(step).items()}
        if "reverse_embeddings" in left:
            left["reverse_embeddings"] = left["reverse_embeddings"].T
        return {"output_dim": int(stays.sum())}, left


@register(keras.layers.Embedding)
class EmbeddingRule(_Table):
    """Tokens in, their rows out."""

    @property
    def writes(self) -> bool:
        return True

    def of_call(self, call: Call) -> Rule:
        return _WAY_BACK if _is_reverse(call) else self

    def width(self, step: Step) -> np.ndarray:
        return step.outputs[0].reshape(-1)

    def trace(self, step: Step) -> list[np.ndarray]:
        step.units.pin(step.inputs[0], f"{step.name} reads tokens")
        if weights.is_quantized(step.layer):
            return step.bar(f"{step.name} is quantized")
        rank = len(step.call.outputs[0].shape) - 1
        return [spread(step.units.new(step.layer.output_dim), rank)]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        if weights.is_quantized(step.layer):
            return super().constants(step, inputs)
        table = weights.array(step.layer.embeddings)
        same = np.all(table == table[:1], axis=0)
        return [np.where(same, table[0], np.nan).reshape(step.outputs[0].shape)]


class _WayBackRule(_Table):
    """Vectors in, one logit per token out: `ReversibleEmbedding(reverse=True)`."""

    reads = True

    def width(self, step: Step) -> np.ndarray:
        return step.inputs[0].reshape(-1)

    def trace(self, step: Step) -> list[np.ndarray]:
        if weights.is_quantized(step.layer):
            return step.bar(f"{step.name} is quantized")
        if not on_last_axis(step.inputs[0]):
            return step.bar(f"{step.name} reads an axis along which channels are mixed")
        reason = f"{step.name} makes a logit of it for each token"
        return [step.fresh(step.call.outputs[0], reason)]

    def needed(self, step: Step, index: int, kept: np.ndarray) -> np.ndarray:
        if weights.is_quantized(step.layer):
            return super().needed(step, index, kept)
        table = list(self._tables(step).values())[-1]
        return np.any(table != 0, axis=0).reshape(step.inputs[0].shape)

    def macs(self, step: Step) -> list[Term]:
        positions = math.prod(d for d in step.call.outputs[0].shape[1:-1] if d)
        return [Term(positions * step.layer.input_dim, self.width(step))]

    def leak_free(self, step: Step) -> bool:
        return False


_WAY_BACK = _WayBackRule()


def _is_reverse(call: Call) -> bool:
    positional = call.arguments.args[1:2]
    return bool(call.arguments.kwargs.get("reverse", *(positional or (False,))))


@register(keras.layers.Masking)
class MaskingRule(Channelwise):
    """Masks the time steps at which every channel has the mask value."""

    def trace(self, step: Step) -> list[np.ndarray]:
        if step.layer.mask_value != 0:
            # A closed channel, which is 0, would never be it.
            reason = f"{step.name} compares it with its mask value"
            step.units.pin(step.inputs[0], f"{reason} {step.layer.mask_value}")
        return super().trace(step)

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
