"""Flash: the size of the .tflite file."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from keras import ops

from keras_diffmask.costs.cost import Cost
from keras_diffmask.costs.decided import Decided
from keras_diffmask.costs.device_bytes import (
    FILE,
    FILE_OP,
    FILE_SCALE,
    FILE_TENSOR,
    kind_of,
    tensors_of,
)
from keras_diffmask.graph import Term
from keras_diffmask.lowering import Op, Program
from keras_diffmask.lowering.program import Alive


class Flash(Decided):
    """Bytes of the .tflite file that the stripped model converts to.

        flash = sum over weights of (bytes x entries + 12 x scales)
                + scale x sum over operators of overhead

    A weight is a kernel at its bit width, an int32 bias (the one that a
    BatchNormalization folds into as well), or a vector of a normalization that
    cannot be folded. It has one scale (float32) and zero point (int64), or one
    per channel. The overhead is that of TFLite's tables and names, by the
    kind of the operator; `scale` corrects it where the dense model has been
    converted: names of layers are longer in one model than in another.

    Args:
        expectation: the same in the gates' values, with no branch closed.
        program: what the model lowers to.
        scale: of the overhead, 1 where no model has been converted.
    """

    name = "flash"

    def __init__(self, expectation: Cost, program: Program, scale: float = 1.0) -> None:
        super().__init__(program)
        self.expectation = expectation
        self.scale = float(scale)

    def expected(self, values: list[Any]) -> Any:
        """The expected bytes on tensors, differentiable, float32."""
        added = self.where_cut(ops, values, self._overhead)
        return self.expectation.expected(values) + added

    def between(self, values: list[np.ndarray]) -> float:
        added = self.where_cut(np, values, self._overhead)
        return self.expectation.count(values) + float(added)

    def _overhead(self, op: Op) -> float:
        return self.scale * _overhead(op)

    def decided(self, program: Program, sums: list[float]) -> float:
        weights = {w.key: w for op in program.ops for w in op.weights}
        total = sum(
            w.bytes * w.size.of(sums) + FILE_SCALE * w.scales.of(sums)
            for w in weights.values()
        )
        return total + self.scale * overhead(program)

    @staticmethod
    def parts(
        program: Program, scale: float
    ) -> Iterator[tuple[float, tuple[Term, ...], Alive]]:
        """Factor, terms, and the gates that they live with, for the expectation."""
        yield scale * _ends(program), (Term(1.0),), ()
        around: dict[str, list[Op]] = {}
        overheads: dict[Alive, float] = {}
        for op in program.ops:
            overheads[op.alive] = overheads.get(op.alive, 0.0) + _overhead(op)
            for weight in op.weights:
                around.setdefault(weight.key, []).append(op)
        for alive, bytes_ in overheads.items():
            yield scale * bytes_, (Term(1.0),), alive
        for op in program.ops:
            for weight in op.weights:
                readers = around.pop(weight.key, [])
                if not readers or weight.terms is None:
                    continue
                # A weight stays as long as one of the calls that read it does.
                always = any(not reader.alive for reader in readers)
                alive = () if always else tuple({s for r in readers for s in r.alive})
                entries, scales = weight.terms
                yield weight.bytes, (entries,), alive
                yield float(FILE_SCALE), (scales,), alive

    def get_config(self) -> dict[str, Any]:
        return {
            "kind": self.name,
            "expectation": self.expectation.get_config(),
            "program": self.program.get_config(),
            "scale": self.scale,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Flash":
        return cls(
            Cost.from_config(config["expectation"]),
            Program.from_config(config["program"]),
            config["scale"],
        )


def overhead(program: Program) -> float:
    """Bytes of a compiled program's file that are no weights."""
    return _ends(program) + sum(map(_overhead, program.ops))


def _overhead(op: Op) -> float:
    kind = kind_of(op)
    has_bias = any(w.key.endswith("/bias") for w in op.weights)
    names = (kind.name + op.letters) * (1 + has_bias)
    # An activation has one scale; those of weights are counted with them.
    return FILE_OP + (FILE_TENSOR * tensors_of(op)) + names + FILE_SCALE


def _ends(program: Program) -> float:
    return FILE + len(program.inputs) * (FILE_TENSOR + FILE_SCALE)
