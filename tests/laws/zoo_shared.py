"""More of the zoo: what Keras graphs allow beyond a chain of layers."""

from typing import Any

import keras
from keras import layers

from tests.laws.zoo import IMAGE, VECTOR, conv, entry, head


@keras.saving.register_keras_serializable("tests")
class Unknown(layers.Layer):
    """A layer that the library has no rule for; it mixes its channels."""

    def build(self, shape: Any) -> None:
        self.shift = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, inputs: Any) -> Any:
        return inputs + 0.5 * keras.ops.flip(inputs, axis=-1) * self.shift


@entry(IMAGE, stock=False)
def unknown_layer() -> keras.Model:
    inputs = keras.Input(IMAGE)
    x = Unknown()(conv(8, activation="relu", name="before")(inputs))
    x = conv(8, activation="relu", name="after")(x)
    return keras.Model(inputs, head(x))


@entry(IMAGE, stock=False)
def unknown_layer_in_branch() -> keras.Model:
    """The branch cannot be proved constant, so it keeps its last unit."""
    inputs = keras.Input(IMAGE)
    x = conv(8, activation="relu", name="stem")(inputs)
    y = conv(6, activation="relu", name="inner")(x)
    y = Unknown()(conv(8, name="outer")(y))
    return keras.Model(inputs, head(layers.Add()([x, y])))


@entry(IMAGE)
def grouped() -> keras.Model:
    inputs = keras.Input(IMAGE)
    x = conv(8, activation="relu", name="before")(inputs)
    x = conv(8, groups=2, activation="relu", name="grouped")(x)
    x = conv(8, activation="relu", name="after")(x)
    return keras.Model(inputs, head(x))


@entry(VECTOR)
def shared_layer() -> keras.Model:
    inputs = keras.Input(VECTOR)
    shared = layers.Dense(8, activation="relu", name="shared")
    x = layers.Dense(8, activation="tanh", name="first")(inputs)
    x = layers.Dense(8, name="between")(shared(x))
    return keras.Model(inputs, layers.Dense(3)(shared(x)))


@entry(IMAGE)
def shared_in_branches() -> keras.Model:
    """One layer ends two branches: gone from one, it is still in the other."""
    inputs = keras.Input(IMAGE)
    x = conv(8, activation="relu", name="stem")(inputs)
    shared = conv(8, 1, name="shared")
    for name in ("one", "two"):
        y = conv(6, activation="relu", name=name)(x)
        y = conv(7, activation="relu", name=f"{name}_more")(y)
        x = layers.Add()([x, shared(y)])
    return keras.Model(inputs, head(x))


@entry(IMAGE)
def two_outputs() -> keras.Model:
    inputs = keras.Input(IMAGE)
    trunk = layers.ReLU()(layers.BatchNormalization()(conv(8)(inputs)))
    deep = conv(8, activation="relu")(trunk)
    return keras.Model(inputs, {"early": head(trunk), "late": head(deep)})


@entry(VECTOR, VECTOR)
def two_inputs() -> keras.Model:
    left, right = keras.Input(VECTOR, name="left"), keras.Input(VECTOR, name="right")
    x = layers.Add()([layers.Dense(8)(left), layers.Dense(8)(right)])
    x = layers.Dense(7, activation="relu")(layers.ReLU()(x))
    return keras.Model([left, right], layers.Dense(3)(x))


@entry(VECTOR)
def input_used_twice() -> keras.Model:
    inputs = keras.Input(VECTOR)
    x = layers.Dense(8, activation="relu")(inputs)
    x = layers.Add()([inputs, layers.Dense(6)(x)])
    x = layers.Add()([layers.Dense(8)(inputs), layers.Dense(8)(x)])
    return keras.Model(inputs, layers.Dense(3)(layers.ReLU()(x)))


@entry(VECTOR)
def nested() -> keras.Model:
    """The layers of a model inside of a model become layers of the outer one."""
    inner = keras.Input((8,))
    part = keras.Model(inner, layers.Dense(8, activation="relu")(inner), name="part")
    x = inputs = keras.Input(VECTOR)
    x = part(layers.Dense(8, activation="relu")(x))
    x = layers.Dense(8, activation="relu", name="free")(x)
    return keras.Model(inputs, layers.Dense(3)(x))


@entry(VECTOR)
def three_way_add() -> keras.Model:
    """An operator of keras.ops in the middle."""
    inputs = keras.Input(VECTOR)
    x = layers.Dense(8, activation="relu")(inputs)
    ways = [x, layers.Dense(8, activation="tanh")(x), layers.Dense(8)(x)]
    x = layers.Add()(ways) * 0.5
    x = layers.Dense(8, activation="relu")(x)
    return keras.Model(inputs, layers.Dense(3)(x))
