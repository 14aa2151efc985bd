"""Models with residual branches, and by hand what goes when one is closed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from tests.laws.zoo import Entry, conv, head

IMAGE, SEQUENCE, VECTOR = (6, 6, 3), (5, 4), (6,)


@dataclass(frozen=True)
class Case:
    """One model.

    Attributes:
        entry: how it is built.
        gone: gate -> the layers that go with its branch.
        on_output: gates whose mask multiplies what the branch adds.
        shared: layers -> gates; they go when all of these are closed.
    """

    entry: Entry
    gone: dict[str, tuple[str, ...]]
    on_output: tuple[str, ...] = ()
    shared: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __str__(self) -> str:
        return self.entry.name

    def left(self, model: keras.Model, is_open: dict[str, bool]) -> set[str]:
        """Names of the layers that are there with these gates open."""
        gone = [
            name for g, names in self.gone.items() if not is_open[g] for name in names
        ]
        gone += [name for name, of in self.shared if not any(is_open[g] for g in of)]
        return {layer.name for layer in model.layers} - set(gone)


CASES: dict[str, Case] = {}


def case(shape: tuple[int, ...], gone: dict[str, str], **more: Any) -> Any:
    def add(build: Callable[[], keras.Model]) -> Callable[[], keras.Model]:
        entry = Entry(build.__name__, build, (shape,))
        of = {_gate(name): tuple(names.split()) for name, names in gone.items()}
        more["on_output"] = tuple(_gate(name) for name in more.get("on_output", ()))
        more["shared"] = tuple(
            (name, tuple(map(_gate, names))) for name, names in more.get("shared", ())
        )
        CASES[build.__name__] = Case(entry, of, **more)
        return build

    return add


def _gate(name: str) -> str:
    """From the layer that a gate is named after; "last:1" where that is taken."""
    layer, _, number = name.partition(":")
    return f"{layer}_branch_gate" + (f"_{number}" if number else "")


def _norm(x: Any, name: str) -> Any:
    return layers.BatchNormalization(name=name)(x)


def _block(x: Any, filters: int, name: str, projected: bool = False) -> Any:
    y = conv(4, use_bias=False, name=f"{name}1")(x)
    y = layers.ReLU(name=f"{name}_relu")(_norm(y, f"{name}1_bn"))
    y = _norm(conv(filters, use_bias=False, name=f"{name}2")(y), f"{name}2_bn")
    if projected:
        x = _norm(conv(filters, 1, name=f"{name}_skip")(x), f"{name}_skip_bn")
    return layers.ReLU()(layers.Add(name=f"{name}_add")([x, y]))


@case(
    IMAGE,
    {
        "a2_bn": "a1 a1_bn a_relu a2 a2_bn a_add",
        "b2_bn": "b1 b1_bn b_relu b2 b2_bn b_add",
    },
)
def identity_and_projection() -> keras.Model:
    """After a projection the shortcut stays, the longer way may go."""
    inputs = keras.Input(IMAGE)
    x = _block(conv(5, name="stem")(inputs), 5, "a")
    return keras.Model(inputs, head(_block(x, 6, "b", projected=True)))


@case(
    IMAGE,
    {"a2": "a_bn a_relu a1 a2 a_add", "b2": "b1 b1_relu b2 b_add"},
)
def pre_activation() -> keras.Model:
    """What both ways read stays; no BatchNormalization carries the mask."""
    inputs = keras.Input(IMAGE)
    x = conv(5)(inputs)
    y = layers.Activation("relu", name="a_relu")(_norm(x, "a_bn"))
    y = conv(5, name="a2")(conv(4, name="a1")(y))
    x = layers.Add(name="a_add")([x, y])
    h = layers.ReLU()(layers.BatchNormalization()(x))
    y = conv(6, name="b2")(layers.ReLU(name="b1_relu")(conv(4, name="b1")(h)))
    x = layers.Add(name="b_add")([y, conv(6, 1)(h)])
    return keras.Model(inputs, head(x))


@case(
    VECTOR,
    {
        "relu2": "relu1 relu2 relu drop relu_add",
        "tanh2": "tanh1 tanh2 tanh_add",
        "leaky1": "leaky1 leaky leaky_scale leaky_add",
        "noisy1": "noisy1 noise noisy_add",
    },
    on_output=("tanh2", "noisy1"),
)
def what_ends_a_branch() -> keras.Model:
    inputs = keras.Input(VECTOR)
    x = layers.Dense(5, name="stem")(inputs)
    y = layers.Dense(5, name="relu2")(layers.Dense(7, "tanh", name="relu1")(x))
    y = layers.Dropout(0.3, name="drop")(layers.ReLU(name="relu")(y))
    x = layers.Add(name="relu_add")([x, y])
    y = layers.Dense(5, "tanh", name="tanh2")(layers.Dense(7, name="tanh1")(x))
    x = layers.Add(name="tanh_add")([y, x])
    y = layers.LeakyReLU(name="leaky")(layers.Dense(5, name="leaky1")(x))
    y = layers.Rescaling(0.4, name="leaky_scale")(y)
    x = layers.Add(name="leaky_add")([x, y])
    y = layers.GaussianNoise(0.1, name="noise")(layers.Dense(5, name="noisy1")(x))
    x = layers.Add(name="noisy_add")([x, y])
    return keras.Model(inputs, layers.Dense(3)(x))


@case(
    SEQUENCE,
    {"attention": "norm1 attention", "mlp2": "norm2 mlp1 mlp2 drop"},
    on_output=("attention",),
)
def transformer_block() -> keras.Model:
    """Sums written as `x + y`, which are operators and no layers."""
    inputs = keras.Input(SEQUENCE)
    x = layers.Dense(6)(inputs)
    y = layers.LayerNormalization(name="norm1")(x)
    x = x + layers.MultiHeadAttention(2, 3, name="attention")(y, y)
    y = layers.Dense(9, "gelu", name="mlp1")(layers.LayerNormalization(name="norm2")(x))
    x = x + layers.Dropout(0.2, name="drop")(layers.Dense(6, name="mlp2")(y))
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))


@case(
    VECTOR,
    {
        "inner2": "inner1 inner2 inner_add",
        "outer2": "outer1 inner1 inner2 inner_add outer2 outer_add",
    },
)
def nested() -> keras.Model:
    inputs = keras.Input(VECTOR)
    x = layers.Dense(5, name="stem")(inputs)
    h = layers.Dense(7, "relu", name="outer1")(x)
    y = layers.Dense(7, name="inner2")(layers.Dense(4, "tanh", name="inner1")(h))
    h = layers.Add(name="inner_add")([h, y])
    x = layers.Add(name="outer_add")([x, layers.Dense(5, name="outer2")(h)])
    return keras.Model(inputs, layers.Dense(3)(x))


@case(
    VECTOR,
    {"a2": "a2 a_add", "b2": "b2 b_add"},
    shared=(("twice", ("a2", "b2")),),
)
def shared_layer() -> keras.Model:
    """Its weights are there while either branch is, its work is done for each."""
    inputs = keras.Input(VECTOR)
    x = layers.Dense(5, name="stem")(inputs)
    twice = layers.Dense(8, "tanh", name="twice")
    x = layers.Add(name="a_add")([x, layers.Dense(5, name="a2")(twice(x))])
    x = layers.Add(name="b_add")([x, layers.Dense(5, name="b2")(twice(x))])
    return keras.Model(inputs, layers.Dense(3)(x))


@case(
    VECTOR,
    {"last": "", "last:1": ""},
    on_output=("last", "last:1"),
    shared=(("last", ("last", "last:1")),),
)
def shared_last_layer() -> keras.Model:
    """A mask on its weights would close both branches."""
    inputs = keras.Input(VECTOR)
    x = layers.Dense(5, name="stem")(inputs)
    last = layers.Dense(5, name="last")
    x = x + last(x)
    return keras.Model(inputs, layers.Dense(3)(x + last(x)))


@case(
    VECTOR,
    {"a": "a", "b2": "b1 b2"},
    shared=(
        ("both", ("a", "b2")),
        ("sum", ("a", "b2")),
    ),
)
def one_step_of_two_branches() -> keras.Model:
    """Three tensors in one sum; what two branches read goes with the last of them."""
    inputs = keras.Input(VECTOR)
    x = layers.Dense(5, name="stem")(inputs)
    both = layers.Dense(8, "relu", name="both")(x)
    a = layers.Dense(5, name="a")(both)
    b = layers.Dense(5, name="b2")(layers.Dense(4, "tanh", name="b1")(both))
    x = layers.Add(name="sum")([a, x, b])
    return keras.Model(inputs, layers.Dense(3)(x))


def decisions(case: Case) -> list[dict[str, bool]]:
    """Every way to open and close the gates of a model, or eight of many."""
    names = list(case.gone)
    count = 2 ** len(names)
    rows = range(count) if count <= 8 else [0, count - 1, *range(1, count - 1, 3)]
    bits = [np.binary_repr(row, len(names)) for row in rows]
    return [{n: b == "1" for n, b in zip(names, row, strict=True)} for row in bits]
