"""Convolutions, grouped and transposed ones too."""

from typing import Any

import keras
import numpy as np

from keras_diffmask.graph.rule import Cut, Step, Term, register
from keras_diffmask.graph.rules import weights
from keras_diffmask.graph.rules.linear import KernelRule, positions_of


@register(keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
class ConvRule(KernelRule):
    """Convolutions; grouped ones stay legal because of what is tied.

    A grouped convolution of g groups needs groups of one size. Either the
    channels at the same place of every group go together, or whole groups go
    with all that they read and write: whichever leaves more to choose from.
    """

    def foldable(self, step: Step, index: int) -> bool:
        # With zero padding the constant is missing at the border.
        return step.layer.padding == "valid" or set(step.layer.kernel_size) == {1}

    def trace(self, step: Step) -> list[np.ndarray]:
        outputs = super().trace(step)
        if step.layer.groups > 1 and not self.barrier(step):
            read, written = self._by_group(step, step.inputs[0], outputs[0])
            if self._goes_by_group(step):
                step.units.tie(written, written[:, :1])
                step.units.tie(read, written[:, :1])
            else:
                step.units.tie(read, read[:1])
                step.units.tie(written, written[:1])
        return outputs

    def _by_group(self, step: Step, *ids: np.ndarray) -> list[np.ndarray]:
        return [array.reshape(step.layer.groups, -1) for array in ids]

    def _goes_by_group(self, step: Step) -> bool:
        inside, written = step.layer.kernel.shape[-2:]
        return step.layer.groups >= min(inside, written // step.layer.groups)

    def matrix(self, step: Step) -> np.ndarray:
        inside = weights.nonzero(step.layer.kernel)
        groups = step.layer.groups
        if groups == 1:
            return inside
        return weights.block_diagonal(inside, groups)

    def effective(self, step: Step, rows: np.ndarray) -> np.ndarray:
        groups = step.layer.groups
        if groups == 1:
            return super().effective(step, rows)
        inside = weights.summed_rows(step.layer.kernel, slice(None))
        return weights.block_diagonal(inside, groups)[rows]

    def macs(self, step: Step) -> list[Term]:
        return [self._per_group(step, term) for term in super().macs(step)]

    def parameters(self, step: Step) -> list[Term]:
        return [self._per_group(step, term) for term in super().parameters(step)]

    def _per_group(self, step: Step, term: Term) -> Term:
        groups = step.layer.groups
        if groups == 1 or term.rows is None or term.columns is None:
            return term
        if self._goes_by_group(step):
            # Of a group that stays, all stays: its kernel is as large as ever.
            read = term.rows.size // groups
            return Term(term.factor * read, None, term.columns)
        read, _ = self._by_group(step, term.rows, term.columns)
        return Term(term.factor, read[0], term.columns)

    def kernels(
        self, step: Step, rows: np.ndarray, columns: np.ndarray
    ) -> dict[str, np.ndarray]:
        kernel = keras.ops.convert_to_numpy(step.layer.kernel)
        groups = step.layer.groups
        if groups > 1 and self._goes_by_group(step):
            return {"kernel": kernel[..., columns]}
        inside = rows.reshape(groups, -1)[0]
        return {"kernel": kernel[..., inside, :][..., columns]}

    def shrink(self, step: Step, cut: Cut) -> tuple[dict[str, Any], Any]:
        config, left = super().shrink(step, cut)
        if left and step.layer.groups > 1 and self._goes_by_group(step):
            _, written = self._by_group(step, step.inputs[0], step.outputs[0])
            config["groups"] = int(cut.along(written[:, 0]).sum())
        return config, left


@register(
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
class ConvTransposeRule(KernelRule):
    """Transposed convolutions, whose kernel is `(..., out, in)`."""

    def barrier(self, step: Step) -> str | None:
        if getattr(step.layer, "groups", 1) != 1:
            return f"{step.name} is a grouped transposed convolution"
        return super().barrier(step)

    def positions(self, step: Step) -> int:
        # Every input is multiplied by the whole kernel.
        return positions_of(step, step.call.inputs[0])

    def matrix(self, step: Step) -> np.ndarray:
        return weights.nonzero(step.layer.kernel).T

    def kernels(
        self, step: Step, rows: np.ndarray, columns: np.ndarray
    ) -> dict[str, np.ndarray]:
        kernel = keras.ops.convert_to_numpy(step.layer.kernel)
        return {"kernel": kernel[..., columns, :][..., rows]}
