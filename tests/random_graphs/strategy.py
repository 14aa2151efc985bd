"""The hypothesis side: graphs as a strategy, and shorter recipes of failures."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.random_graphs.finish import Graph, draw
from tests.random_graphs.recipe import Drawn, Recipe, Replayed


@st.composite
def graphs(drawn: Any) -> Graph:
    """Whole models; all that hypothesis sees is ints."""
    return draw(Drawn(lambda low, high: drawn(st.integers(low, high))))


def drawn_ints() -> st.SearchStrategy[Drawn]:
    """The source alone, for who wants to build the graph, and see it fail."""
    return st.data().map(
        lambda data: Drawn(lambda low, high: data.draw(st.integers(low, high)))
    )


def quietly(examples: int, **more: Any) -> settings:
    """No deadline, no database: the same seed gives the same graphs anywhere."""
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        **more,
    )


def shorten(recipe: Recipe, fails: Callable[[Graph], bool]) -> Recipe:
    """Leave out pieces as long as it still fails; then lower the numbers."""

    def still(shorter: Recipe) -> bool:
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
