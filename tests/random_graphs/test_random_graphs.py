"""Whole models drawn at random from all layer kinds: laws 1, 2, 3 and 5.

`python -m tests.random_graphs --examples 1000 --out FILE.json` draws more of
them, and counts the kinds of layers. A failure shows its recipe, which belongs
into `test_named.py`, where every failure ever found has its name.
"""

import random

import pytest
from hypothesis import Phase, given, seed
from hypothesis.strategies import DataObject

from tests.laws import alive
from tests.random_graphs import recipe
from tests.random_graphs.check import Outcome, check
from tests.random_graphs.finish import Graph, draw
from tests.random_graphs.sketch import PIECES
from tests.random_graphs.strategy import (
    choices,
    quietly,
    same_failure,
    shorten,
    source_of,
)

pytestmark = pytest.mark.skipif(
    not alive.TENSORFLOW, reason="float64, and bit for bit, are TensorFlow's"
)

EXAMPLES, CHUNKS = 16, 4


def held(graph: Graph) -> Outcome:
    """Check a graph; a failure carries the recipe, and a shorter one."""
    try:
        return check(graph)
    except Exception as error:
        # Hypothesis would shrink ints for minutes; pieces are what matters.
        short = shorten(graph.recipe, same_failure(error), attempts=40)
        error.add_note(f"recipe = {recipe.text(graph.recipe)}")
        error.add_note(f"shorter = {recipe.text(short)}")
        raise


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_laws_hold_on_random_graphs(chunk: int) -> None:
    """The same graphs each time; in chunks, which processes can share."""
    outcomes = []
    order = random.Random(chunk).sample(list(PIECES), len(PIECES))

    @seed(chunk)
    @quietly(EXAMPLES // CHUNKS, phases=[Phase.generate], report_multiple_bugs=False)
    @given(choices)
    def laws(data: DataObject) -> None:
        graph = draw(source_of(data, order))
        outcomes.append(held(graph))

    laws()
    assert len(outcomes) >= EXAMPLES // CHUNKS
    assert sum(outcome.dead for outcome in outcomes) <= 1, "graphs ignore their inputs"


def test_recipe_gives_the_same_graph_again() -> None:
    """What a failure prints is what rebuilds it, weights and all."""

    @seed(7)
    @quietly(5, phases=[Phase.generate])
    @given(choices)
    def same(data: DataObject) -> None:
        graph = draw(source_of(data))
        expected = alive.run(graph.model, graph.inputs())
        again = draw(recipe.Replayed(graph.recipe))
        assert again.recipe == graph.recipe and again.kinds == graph.kinds
        for a, b in zip(expected, alive.run(again.model, again.inputs()), strict=True):
            assert (a == b).all()

    same()
