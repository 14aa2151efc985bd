"""The hypothesis side: graphs as a strategy, and shorter recipes of failures."""

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.random_graphs.check import check
from tests.random_graphs.finish import Graph, draw
from tests.random_graphs.recipe import Drawn, Recipe, Replayed

#: What a test takes; `source_of` makes a graph's choices from it. The graph is
#: built in the test, as hypothesis wants no seeds set inside of a strategy.
choices = st.data()


def source_of(data: st.DataObject, order: Sequence[str] | None = None) -> Drawn:
    """All that hypothesis sees is ints; `order` is that of `Drawn`."""
    return Drawn(lambda low, high: data.draw(st.integers(low, high)), order)


def quietly(examples: int, **more: Any) -> settings:
    """No deadline, no database: the same seed gives the same graphs anywhere."""
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        **more,
    )


def shorten(
    recipe: Recipe, fails: Callable[[Graph], bool], attempts: int = 60
) -> Recipe:
    """Leave out pieces as long as it still fails; then lower the numbers."""
    left = [attempts]

    def still(shorter: Recipe) -> bool:
        left[0] -= 1
        if left[0] < 0:
            return False
        try:
            return fails(draw(Replayed(shorter)))
        except Exception:  # such a graph cannot be built: it is another matter
            return False

    at = 0
    while at < len(recipe) and len(recipe) > 3:
        shorter = recipe[:at] + recipe[at + 1 :]
        if recipe[at][0] not in ("start", "finish") and still(shorter):
            recipe = shorter
        else:
            at += 1
    for i, group in enumerate(recipe):
        for j in range(1, len(group)):
            lower = [*recipe[:i], [*group[:j], 0, *group[j + 1 :]], *recipe[i + 1 :]]
            if recipe[i][j] and still(lower):
                recipe, group = lower, lower[i]
    return recipe


def same_failure(error: Exception) -> Any:
    """Whether a graph fails in this way too: the type, and the first words."""
    words = str(error).split()[:4]

    def fails(graph: Graph) -> bool:
        try:
            check(graph)
        except type(error) as again:
            return str(again).split()[:4] == words
        return False

    return fails
