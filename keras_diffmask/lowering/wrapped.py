"""TimeDistributed: the wrapped layer, with the steps as a batch."""

from collections.abc import Callable
from typing import Any

from keras_diffmask.graph import Step
from keras_diffmask.lowering.builder import Builder
from keras_diffmask.lowering.recipes import Recipe, other
from keras_diffmask.lowering.steps import JOIN, PART


def time_distributed(recipe_for: Callable[[Any], Recipe | None]) -> Recipe:
    """As the exporter writes it: one operator, not one per step.

    A wrapped model, or a wrapped layer that recurs, has no row.
    """

    def recipe(build: Builder, step: Step) -> list[int]:
        rule: Any = step.rule
        inner = rule.inner(step)
        row = None if inner is None else recipe_for(inner.layer)
        if row is None:
            return other(build, step)
        steps = step.call.inputs[0].shape[1] or 1
        (source,) = build.inputs(step)
        joined = build.emit(step, JOIN, source, build.like(source))
        build.place(inner.call.inputs[0], joined)
        with build.inside(step, steps):
            (result,) = row(build, inner)
        return [build.emit(step, PART, result, build.output(step))]

    return recipe
