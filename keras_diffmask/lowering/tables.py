"""Recipes of tables: rows gathered from them, and the way back."""

import keras

from keras_diffmask.graph import Step, Term
from keras_diffmask.lowering.activations import activate
from keras_diffmask.lowering.builder import Builder


def embedding(build: Builder, step: Step) -> list[int]:
    """A table that rows are gathered from."""
    return [_gathered(build, step, build.inputs(step)[0])]


def reversible(build: Builder, step: Step) -> list[int]:
    """Rows of the table; or logits, by a copy of it that is a Dense kernel.

    Keras allows negative tokens, for which the gather has a LESS, an ADD and a
    SELECT. A kernel's scale is symmetric and a table's is not: that of the way
    back is stored again even where the two are tied.
    """
    (tensor,) = build.inputs(step)
    if not step.rule.reads:
        below = build.emit(step, "LESS", tensor, build.like(tensor, 1))
        size = build.weight(step, "tokens", Term(1.0), Term(0.0), each=4)
        out = build.like(tensor, 4)
        above = build.emit(step, "ADD", tensor, out, weights=(size,))
        inputs = (below, above, tensor)
        return [
            _gathered(
                build, step, build.emit(step, "SELECT", inputs, build.like(tensor, 4))
            )
        ]
    width = step.inputs[0].reshape(-1)
    entries = Term(float(step.layer.input_dim), width)
    scales = Term(float(step.layer.input_dim if build.per_channel_dense else 1))
    kernel = build.weight(step, "way_back", entries, scales)
    out = build.emit(
        step, "FULLY_CONNECTED", tensor, build.output(step), weights=(kernel,)
    )
    if getattr(step.layer, "logit_soft_cap", None) is None:
        return [out]
    capped = activate(build, step, out, keras.activations.tanh)
    factor = build.weight(step, "cap", Term(1.0))
    return [build.emit(step, "MUL", capped, build.like(out), weights=(factor,))]


def _gathered(build: Builder, step: Step, tokens: int) -> int:
    ids = step.outputs[0].reshape(-1)
    table = build.weight(step, "table", Term(float(step.layer.input_dim), None, ids))
    return build.emit(step, "GATHER", tokens, build.output(step), weights=(table,))
