"""More of the zoo: the shapes that people's models have, by name."""

from typing import Any

import keras
from keras import layers, ops

from tests.laws.zoo import IMAGE, SEQUENCE, VECTOR, conv, entry, head


@entry(SEQUENCE, folds=False)
def transformer_block() -> keras.Model:
    x = inputs = keras.Input(SEQUENCE)
    x = layers.Dense(8)(x)
    y = layers.LayerNormalization()(x)
    y = layers.MultiHeadAttention(3, 4, name="attention")(y, y)
    x = layers.Add()([x, y])
    y = layers.LayerNormalization()(x)
    y = layers.Dense(8)(layers.Dense(12, activation="gelu")(y))
    x = layers.LayerNormalization()(layers.Add()([x, y]))
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))


@entry(IMAGE)
def u_net() -> keras.Model:
    inputs = keras.Input(IMAGE)
    one = conv(6, activation="relu")(inputs)
    two = conv(8, activation="relu")(layers.MaxPooling2D()(one))
    low = conv(8, activation="relu")(layers.MaxPooling2D()(two))
    x = layers.Conv2DTranspose(7, 2, strides=2, activation="relu")(low)
    x = conv(7, activation="relu")(layers.Concatenate()([x, two]))
    x = layers.UpSampling2D(interpolation="bilinear")(x)
    x = conv(6, activation="relu")(layers.Concatenate()([x, one]))
    return keras.Model(inputs, layers.Conv2D(2, 1)(x))


@entry(VECTOR, VECTOR)
def two_towers() -> keras.Model:
    """One encoder, a model of its own, called on both inputs."""
    inner = keras.Input(VECTOR)
    y = layers.Dense(8, activation="relu", name="hidden")(inner)
    encoder = keras.Model(inner, layers.Dense(7, name="code")(y), name="encoder")
    left, right = keras.Input(VECTOR, name="left"), keras.Input(VECTOR, name="right")
    a, b = encoder(left), encoder(right)
    x = layers.Concatenate()([a, b, layers.Multiply()([a, b])])
    return keras.Model([left, right], layers.Dense(3)(x))


@entry(IMAGE)
def squeeze_and_excite() -> keras.Model:
    inputs = keras.Input(IMAGE)
    x = layers.ReLU()(layers.BatchNormalization()(conv(8)(inputs)))
    s = layers.GlobalAveragePooling2D()(x)
    s = layers.Reshape((1, 1, 8))(s)
    s = layers.Conv2D(5, 1, activation="relu", name="squeeze")(s)
    s = layers.Conv2D(8, 1, activation="sigmoid", name="excite")(s)
    x = layers.Multiply()([x, s])
    x = conv(7, activation="relu", name="after")(x)
    return keras.Model(inputs, head(x))


@entry(IMAGE)
def pixel_shuffle() -> keras.Model:
    """2 x 2 x C channels become 2 x 2 positions: four of them go at a time."""
    inputs = keras.Input(IMAGE)
    x = conv(24, activation="relu", name="before")(inputs)
    x = layers.Reshape((8, 8, 2, 2, 6))(x)
    x = layers.Permute((1, 3, 2, 4, 5))(x)
    x = layers.Reshape((16, 16, 6))(x)
    return keras.Model(inputs, head(conv(5, activation="relu", name="after")(x)))


@entry(SEQUENCE, folds=False)
def recurrent_with_masking() -> keras.Model:
    inputs = keras.Input(SEQUENCE)
    x = layers.Masking()(inputs)
    x = layers.LSTM(8, return_sequences=True)(x)
    x = layers.TimeDistributed(layers.Dense(7, activation="tanh"))(x)
    x = layers.Bidirectional(layers.GRU(5, return_sequences=True))(x)
    x = layers.Dense(6, activation="tanh")(x)
    return keras.Model(inputs, layers.Dense(3)(layers.LSTM(7)(x)))


@entry(IMAGE)
def dense_net() -> keras.Model:
    x = inputs = keras.Input(IMAGE)
    x = conv(6)(x)
    for _ in range(3):
        y = layers.ReLU()(layers.BatchNormalization()(x))
        y = layers.ReLU()(layers.BatchNormalization()(conv(8, 1)(y)))
        x = layers.Concatenate()([x, conv(4)(y)])
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return keras.Model(inputs, head(x))


@entry(IMAGE)
def inverted_residuals() -> keras.Model:
    inputs = keras.Input(IMAGE)
    x = layers.BatchNormalization()(conv(8, use_bias=False)(inputs))
    for _ in range(2):
        y = layers.BatchNormalization()(conv(12, 1, use_bias=False)(x))
        y = layers.ZeroPadding2D(1)(layers.ReLU(6.0)(y))
        y = layers.DepthwiseConv2D(3, use_bias=False)(y)
        y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
        x = layers.Add()([x, layers.BatchNormalization()(conv(8, 1)(y))])
    return keras.Model(inputs, head(x))


@entry(IMAGE)
def depthwise_and_separable() -> keras.Model:
    inputs = keras.Input(IMAGE)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu")(
        conv(5, activation="relu")(inputs)
    )
    x = layers.SeparableConv2D(8, 3, depth_multiplier=2, activation="relu")(x)
    x = layers.Conv2DTranspose(7, 3, strides=2, padding="same")(x)
    return keras.Model(inputs, head(layers.ReLU()(layers.BatchNormalization()(x))))


@entry(IMAGE)
def many_groups() -> keras.Model:
    """Groups of two channels go whole; of four halves, a place in each."""
    inputs = keras.Input(IMAGE)
    x = conv(8, activation="relu")(inputs)
    x = conv(12, groups=4, activation="relu", name="whole")(x)
    x = conv(8, activation="relu")(x)
    x = layers.GroupNormalization(4)(conv(8, groups=2, name="places")(x))
    x = conv(6, activation="relu")(layers.ReLU()(x))
    return keras.Model(inputs, head(x))


@entry(IMAGE)
def merges() -> keras.Model:
    inputs = keras.Input(IMAGE)
    ways = [conv(8, activation="relu")(inputs) for _ in range(6)]
    x = layers.Subtract()(ways[:2])
    x = layers.Average()([x, ways[2]])
    x = layers.Maximum()([x, ways[3]])
    x = layers.Minimum()([x, layers.Add()([ways[4], ways[5]])])
    x = layers.Concatenate()([x, layers.Concatenate(axis=1)([x, x])[:, :8], x])
    return keras.Model(inputs, head(conv(7, activation="relu")(x)))


@entry(IMAGE)
def operators() -> keras.Model:
    inputs = keras.Input(IMAGE)
    x = conv(8, activation="relu", name="one")(inputs)
    y = 2.0 * conv(8, name="two")(x) + x
    left, right = y[..., :3], y[..., 3:]
    x = ops.concatenate([ops.relu(right), ops.tanh(left)], axis=-1)
    x = conv(7, activation="relu", name="three")(x[:, 1:])
    return keras.Model(inputs, layers.Dense(3)(ops.mean(x, axis=(1, 2))))


@entry(SEQUENCE)
def one_dimensional() -> keras.Model:
    inputs = keras.Input(SEQUENCE)
    x = layers.Conv1D(8, 3, padding="causal", activation="relu")(inputs)
    x = layers.DepthwiseConv1D(3, padding="same", activation="relu")(x)
    x = layers.SeparableConv1D(7, 3, padding="same", activation="relu")(x)
    x = layers.Cropping1D(1)(layers.ZeroPadding1D(1)(layers.MaxPooling1D(1)(x)))
    x = layers.UpSampling1D(2)(x)
    x = layers.Conv1DTranspose(6, 3, activation="relu")(x)
    x = layers.EinsumDense("abc,cd->abd", (None, 7), bias_axes="d")(x)
    x = layers.Dense(6, activation="relu")(layers.PReLU(shared_axes=[1])(x))
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalMaxPooling1D()(x)))


@entry(VECTOR)
def repeated_vector() -> keras.Model:
    inputs = keras.Input(VECTOR)
    x = layers.Dense(8, activation="tanh")(inputs)
    x = layers.RepeatVector(4)(x)
    x = layers.LSTM(7, return_sequences=True)(x)
    x = layers.RMSNormalization()(layers.Dense(8, activation="tanh")(x))
    x = layers.Dense(6, activation="tanh")(layers.UnitNormalization()(x))
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x)))


@entry((4, 4, 4, 2))
def volumes() -> keras.Model:
    inputs = keras.Input((4, 4, 4, 2))
    x = layers.Conv3D(8, 3, 2, padding="same", activation="relu")(inputs)
    x = layers.Conv3D(6, 2, activation="relu")(x)
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling3D()(x)))


def _with_own_step() -> Any:
    @keras.saving.register_keras_serializable("tests")
    class OwnStep(keras.Model):
        """A user's class; its graph is Keras' own."""

        def train_step(self, *args: Any, **kwargs: Any) -> Any:
            self.steps_taken = getattr(self, "steps_taken", 0) + 1
            return super().train_step(*args, **kwargs)

    return OwnStep


OwnStep = _with_own_step()


@entry(VECTOR)
def own_train_step() -> keras.Model:
    inputs = {"a": keras.Input(VECTOR, name="a")}
    x = layers.Dense(8, activation="relu")(inputs["a"])
    return OwnStep(inputs["a"], layers.Dense(3)(layers.Dense(7, "tanh")(x)))
