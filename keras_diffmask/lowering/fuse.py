"""What the converter makes of a program: it fuses, folds, drops and orders."""

from collections.abc import Callable
from dataclasses import replace

from keras_diffmask.lowering.closing import drop
from keras_diffmask.lowering.draft import Draft
from keras_diffmask.lowering.folding import fold_norms, fuse_activations, requantize
from keras_diffmask.lowering.order import ordered
from keras_diffmask.lowering.program import Op, Program
from keras_diffmask.lowering.reshapes import (
    merge_reshapes,
    reshape_sequences,
    split_sums,
)
from keras_diffmask.lowering.steps import join_steps, reshape_steps


def compiled(
    program: Program,
    is_alive: Callable[[Op], bool] | None = None,
    works: Callable[[Op], bool] | None = None,
) -> Program:
    """The program as the converter writes it.

    Args:
        program: what `lower` returned.
        is_alive: op -> whether its branch is there; all, by default.
        works: op -> whether it does anything; by default what is not there
            only because channels are cut.

    Returns:
        A program of TFLite's operators, in the order of execution.
    """
    draft = Draft(program)
    drop(draft, is_alive or (lambda op: True), works or (lambda op: op.lost is None))
    join_steps(draft)
    fold_norms(draft)
    fuse_activations(draft)
    split_sums(draft)
    reshape_sequences(draft)
    merge_reshapes(draft)
    reshape_steps(draft)
    requantize(draft)
    result = replace(
        program, tensors=tuple(draft.tensors), outputs=tuple(draft.outputs)
    )
    return ordered(result, draft.ops)
