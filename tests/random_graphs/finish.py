"""From a sketch to a model: heads, the shape of inputs and outputs, weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, tree

from tests.laws import alive
from tests.random_graphs import (
    pieces_any_rank as pieces_any_rank,
)
from tests.random_graphs import (
    pieces_conv as pieces_conv,
)
from tests.random_graphs import (
    pieces_merge as pieces_merge,
)
from tests.random_graphs import (
    pieces_ops as pieces_ops,
)
from tests.random_graphs import (
    pieces_sequence as pieces_sequence,
)
from tests.random_graphs import (
    pieces_shape as pieces_shape,
)
from tests.random_graphs import (
    pieces_space as pieces_space,
)
from tests.random_graphs import (
    pieces_structure as pieces_structure,
)
from tests.random_graphs.bridges import to_vector
from tests.random_graphs.recipe import Recipe, Replayed, Source, text
from tests.random_graphs.sketch import PIECES, InputSpec, Sketch

#: Kinds that are no piece, but a property of the whole model.
STRUCTURES = (
    "Several inputs",
    "Inputs in a list",
    "Inputs in a dictionary",
    "Several outputs",
    "Outputs in a dictionary",
    "Own train_step",
)

FEWEST, MOST = 3, 8


@keras.saving.register_keras_serializable("tests")
class OwnTrainStep(keras.Model):
    """What many users write; the graph is still Keras' own."""

    def train_step(self, data: Any) -> dict[str, Any]:
        return super().train_step(data)


@dataclass(frozen=True)
class Graph:
    """A model drawn at random, and what it was drawn from.

    Attributes:
        specs: what its inputs are fed.
        structure: whether they come "plain", in a "list" or a "dictionary".
        kinds: names of the kinds of layers in it.
        recipe: draws it again.
        round_trip: whether it is one of the few that are saved and loaded.
        again: builds it again, where no recipe does.
    """

    model: keras.Model
    specs: tuple[InputSpec, ...]
    structure: str
    kinds: frozenset[str]
    recipe: Recipe
    round_trip: bool
    again: Callable[[], keras.Model] | None = None

    def __repr__(self) -> str:
        return f"draw(Replayed({text(self.recipe)}))"

    def twin(self) -> keras.Model:
        """The same model once more, under the precision policy in force."""
        forget_names()
        return self.again() if self.again else draw(Replayed(self.recipe)).model

    def inputs(self, batch: int = 12, seed: int = 5) -> Any:
        rng = np.random.default_rng(seed)
        arrays = [spec.array(batch, rng) for spec in self.specs]
        return pack(arrays, self.structure)


def pack(values: list[Any], structure: str) -> Any:
    if structure == "dictionary":
        return {f"in{i}": value for i, value in enumerate(values)}
    return values if structure == "list" or len(values) > 1 else values[0]


def forget_names() -> None:
    """Let layers be numbered from the start again."""
    policy = keras.config.dtype_policy()
    keras.utils.clear_session(free_memory=False)
    # It forgets the policy as well.
    keras.config.set_dtype_policy(policy)


def draw(source: Source) -> Graph:
    """Draw a graph: pieces in any order, joined by what they need."""
    forget_names()
    keras.utils.set_random_seed(1)
    sketch, kinds = Sketch(source), list(PIECES)
    source.begin("start")
    if sketch.flag(4):
        sketch.take(2)
        sketch.take(4)
    for _ in range(source.count(FEWEST, MOST)):
        kind = source.kind(kinds)
        PIECES[kind](sketch)
        sketch.note(kind)
    return finish(sketch)


def finish(s: Sketch) -> Graph:
    """Every tensor that nobody read goes into a head, and so into the model."""
    s.source.begin("finish")
    structure = s.choose(("plain", "list", "dictionary"))
    outputs = heads(s)
    if len(outputs) > 1 and s.flag(3):
        s.note("Outputs in a dictionary")
        outputs = {f"out{i}": output for i, output in enumerate(outputs)}
    elif len(outputs) == 1:
        outputs = outputs[0]
    base = keras.Model
    if s.flag(6):
        s.note("Own train_step")
        base = OwnTrainStep
    if len(s.inputs) > 1:
        s.note("Several inputs")
    if structure != "plain":
        s.note({"list": "Inputs in a list"}.get(structure, "Inputs in a dictionary"))
    model = base(pack(s.inputs, structure), outputs)
    round_trip = s.flag(7)
    parts = tuple(s.specs), structure, frozenset(s.kinds), s.source.recipe, round_trip
    graph = Graph(model, *parts)
    enliven(graph)
    return graph


def heads(s: Sketch) -> Any:
    """One Dense per output, on what is left over, reduced to vectors."""
    vectors = [to_vector(s, tensor) for tensor in s.unread()]
    count = s.choose((1, 2, 3, 1))
    if count > len(vectors):
        vectors += [to_vector(s, tensor) for tensor in s.live[-1:]]
    groups = [vectors[i::count] for i in range(min(count, len(vectors)))]
    if len(groups) > 1:
        s.note("Several outputs")
    outputs = []
    for i, group in enumerate(groups):
        x = group[0] if len(group) == 1 else layers.Concatenate()(group)
        outputs.append(layers.Dense(3, name=f"head{i}")(x))
    return outputs


def enliven(graph: Graph) -> None:
    """Weights with which the model reads its input: see `tests.laws.alive`."""
    rng, model = np.random.default_rng(4), graph.model
    for weight in model.weights:
        value = alive.array(weight)
        if weight.name == "embeddings":
            weight.assign(rng.normal(0, 1, value.shape).astype(value.dtype))
        elif weight.name == "alpha":
            weight.assign(rng.uniform(0.1, 0.5, value.shape).astype(value.dtype))
        elif weight.name in ("depthwise_kernel", "pointwise_kernel"):
            weight.assign(1.5 * value)
    x = graph.inputs(24, seed=9)
    alive.enliven(model, x)
    outputs = model(x, training=False)
    for output, tensor in zip(
        tree.flatten(outputs), tree.flatten(model.output), strict=True
    ):
        set_head(tensor._keras_history.operation, alive.array(output))


def set_head(head: Any, outputs: np.ndarray) -> None:
    """Scale a head, so that its output varies as much as it is large.

    What varies by less than a thousandth of its size is left: it is dead.
    """
    kernel, bias = head.get_weights()
    center, spread = outputs.mean(axis=0), outputs.std(axis=0)
    spread = np.maximum(spread, 1e-3 * np.max(np.abs(outputs)))
    shift = np.array([0.3, -0.2, 0.1], bias.dtype)
    head.set_weights([kernel / spread, (bias - center) / spread + shift])
