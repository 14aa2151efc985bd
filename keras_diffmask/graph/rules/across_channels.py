"""Normalizations over the channels themselves: closed ones count as the 0 they are."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from keras_diffmask.graph.axes import on_last_axis
from keras_diffmask.graph.rule import Cut, Hold, Rule, Step, Term, register
from keras_diffmask.graph.rules import weights
from keras_diffmask.graph.rules.normalization import present, taken, vector


class _AcrossChannels(Rule):
    """Channels pass through, and each moves the statistics of all."""

    names: tuple[str, ...] = ()

    def reason(self, step: Step) -> str | None:
        """Why the channels cannot be cut, or None."""
        if not on_last_axis(step.inputs[0]):
            return f"{step.name} follows a reshape that mixes channels"
        axes = np.atleast_1d(np.asarray(step.layer.axis)).tolist()
        rank = len(step.call.inputs[0].shape)
        if [axis % rank for axis in axes] != [rank - 1]:
            return f"{step.name} normalizes other axes than the last"
        return None

    def trace(self, step: Step) -> list[np.ndarray]:
        reason = self.reason(step)
        if reason:
            step.units.pin(step.inputs[0], reason)
        return [step.inputs[0]]

    def constants(self, step: Step, inputs: list[np.ndarray]) -> list[np.ndarray]:
        if self.reason(step):
            return super().constants(step, inputs)
        size = step.inputs[0].size
        gamma = vector(step.layer, self.names[0], size) if self.names else 1.0
        beta = vector(step.layer, "beta", size)
        values = self.normalized(step, inputs[0].reshape(-1))
        total = np.where(gamma == 0, 0.0, values) * gamma + beta
        return [total.reshape(step.outputs[0].shape)]

    def normalized(self, step: Step, values: np.ndarray) -> np.ndarray:
        """What is left of constants before gamma and beta, NaN where it varies."""
        raise NotImplementedError

    def holds(
        self,
        step: Step,
        kept: np.ndarray,
        inputs: list[np.ndarray],
        outputs: list[np.ndarray],
    ) -> Iterator[Hold]:
        values = inputs[0].reshape(-1)
        ids = step.inputs[0].reshape(-1)
        yield Hold(ids[np.isnan(values)])
        reason = f"{step.name} counts a constant other than 0 in its statistics"
        yield Hold(ids[~np.isnan(values) & (values != 0)], reason)

    def settles(self, step: Step, zero: bool) -> bool:
        return not self.reason(step)

    def parameters(self, step: Step) -> list[Term]:
        if self.reason(step):
            return super().parameters(step)
        count = len(present(step.layer, self.names))
        return [Term(count, None, step.inputs[0].reshape(-1))]

    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], Any]:
        if self.reason(step):
            return {}, {}
        return {}, taken(step.layer, self.names, cut.along(step.inputs[0]))


@register(keras.layers.LayerNormalization)
class LayerNormalizationRule(_AcrossChannels):
    """Mean and variance over all C channels, of which some are 0.

    They are not those of the channels that stay, and no weight can make up
    for it: so the zeros are put back before the layer, and dropped behind it.
    Neither needs a multiplication.
    """

    names = ("gamma", "beta")

    def normalized(self, step: Step, values: np.ndarray) -> np.ndarray:
        centered = values - values.mean()
        scale = np.sqrt(np.mean(centered**2) + step.layer.epsilon)
        return (values if step.layer.rms_scaling else centered) / scale

    def parameters(self, step: Step) -> list[Term]:
        # It keeps its width.
        return Rule.parameters(self, step)

    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], Any]:
        stays = cut.along(step.inputs[0])
        if self.reason(step) or stays.all():
            return {}, {}
        order = np.argsort(~stays, kind="stable")
        return {}, taken(step.layer, self.names, order)

    def perform(
        self, step: Step, cut: Cut, call: Callable, args: tuple, kwargs: dict
    ) -> Any:
        stays = cut.along(step.inputs[0])
        if stays.all():
            return call(*args, **kwargs)
        before = [(0, 0)] * step.inputs[0].ndim + [(0, int((~stays).sum()))]
        wide = call(keras.ops.pad(args[0], before), *args[1:], **kwargs)
        return wide[..., : int(stays.sum())]

    def leak_free(self, step: Step) -> bool:
        return False


@register(keras.layers.RMSNormalization)
class RMSNormalizationRule(_AcrossChannels):
    """x * scale / sqrt(sum x^2 / C + eps), which fewer channels can express.

    With c of C channels, eps' = eps C / c and scale' = scale sqrt(C / c).
    """

    names = ("scale",)

    def normalized(self, step: Step, values: np.ndarray) -> np.ndarray:
        if np.isnan(values).any():
            return np.where(values == 0, 0.0, np.nan)
        return values / np.sqrt(np.mean(values**2) + step.layer.epsilon)

    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], Any]:
        stays = cut.along(step.inputs[0])
        if self.reason(step) or stays.all():
            return {}, {}
        share = stays.mean()
        scale = weights.array(step.layer.scale).astype(np.float64)[stays]
        config = {"epsilon": float(step.layer.epsilon / share)}
        return config, {"scale": scale / np.sqrt(share)}


@register(keras.layers.UnitNormalization)
class UnitNormalizationRule(_AcrossChannels):
    """x / ||x||: a 0 adds nothing to the norm."""

    def normalized(self, step: Step, values: np.ndarray) -> np.ndarray:
        return np.where(values == 0, 0.0, np.nan)

    def settles(self, step: Step, zero: bool) -> bool:
        return zero and not self.reason(step)

    def parameters(self, step: Step) -> list[Term]:
        return []


@register(keras.layers.GroupNormalization)
class GroupNormalizationRule(_AcrossChannels):
    """Statistics over the positions and a group's channels, which go together."""

    names = ("gamma", "beta")

    def trace(self, step: Step) -> list[np.ndarray]:
        outputs = super().trace(step)
        if not self.reason(step):
            groups = self._grouped(step, step.inputs[0])
            step.units.tie(groups, groups[:, :1])
        return outputs

    def reason(self, step: Step) -> str | None:
        ids = step.inputs[0]
        if on_last_axis(ids) and self._groups(step) == 1 < ids.size:
            return f"{step.name} normalizes over all of its channels"
        return super().reason(step)

    def _groups(self, step: Step) -> int:
        groups = step.layer.groups
        return step.inputs[0].size if groups == -1 else groups

    def _grouped(self, step: Step, values: np.ndarray) -> np.ndarray:
        return values.reshape(self._groups(step), -1)

    def normalized(self, step: Step, values: np.ndarray) -> np.ndarray:
        groups = self._grouped(step, values)
        centered = groups - groups.mean(axis=1, keepdims=True)
        variance = np.mean(centered**2, axis=1, keepdims=True)
        return (centered / np.sqrt(variance + step.layer.epsilon)).reshape(-1)

    def holds(
        self,
        step: Step,
        kept: np.ndarray,
        inputs: list[np.ndarray],
        outputs: list[np.ndarray],
    ) -> Iterator[Hold]:
        # Other groups do not see this one, and it goes whole or not at all.
        return iter(())

    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], Any]:
        config, left = super().shrink(step, cut)
        if not self.reason(step):
            first = self._grouped(step, step.inputs[0])[:, 0]
            config = {"groups": int(cut.along(first).sum())}
        return config, left

    def leak_free(self, step: Step) -> bool:
        return False
