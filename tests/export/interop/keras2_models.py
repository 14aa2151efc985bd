"""Writes Keras 2 models that tfmot pruned: `python keras2_models.py FOLDER`.

A program of its own: importing tensorflow_model_optimization turns `tf.keras`
into Keras 2 for the whole process.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow_model_optimization as tfmot
import tf_keras as keras

pruning = tfmot.sparsity.keras
layers = keras.layers


def shake(model):
    """Moves every weight off its initial value; variances stay positive."""
    generator = np.random.default_rng(1)
    for weight in model.weights:
        noise = generator.normal(0.0, 0.3, weight.shape)
        noise = np.abs(noise) if "variance" in weight.name else noise
        weight.assign(weight.numpy() + noise)


def small_cnn():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(
        8, 3, padding="same", use_bias=False, kernel_regularizer="l2", name="stem"
    )(inputs)
    x = layers.ReLU()(layers.BatchNormalization(name="norm")(x))
    x = layers.Conv2D(12, 3, activation="relu", name="middle")(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(10, activation="relu", name="wide")(x)
    outputs = layers.Dense(4, activation="softmax", name="head")(x)
    return keras.Model(inputs, outputs, name="small_cnn")


def wrapped(folder):
    """`prune_low_magnitude` for a few steps, its wrappers still on."""
    keras.utils.set_random_seed(0)
    schedule = pruning.PolynomialDecay(0.2, 0.6, 0, 4, frequency=1)
    model = pruning.prune_low_magnitude(small_cnn(), pruning_schedule=schedule)
    model.compile("adam", "sparse_categorical_crossentropy")
    generator = np.random.default_rng(0)
    x = generator.normal(size=(32, 8, 8, 3)).astype("float32")
    y = generator.integers(0, 4, 32)
    model.fit(x, y, 8, 2, verbose=0, callbacks=[pruning.UpdatePruningStep()])
    for layer in model.layers:
        if getattr(layer, "pruning_vars", None):
            # As an optimizer's last step may leave them: off 0 behind the mask.
            weight, mask, _ = layer.pruning_vars[0]
            weight.assign(weight + 0.5 * (1.0 - mask))
    model.save(folder / "wrapped.h5")
    model.save(folder / "wrapped.keras")
    model.save(folder / "wrapped_saved")


def structured(folder):
    """Zeros by hand, in whole filters: see `test_from_tfmot.py` for which."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(inputs)
    x = skip = layers.ReLU()(layers.BatchNormalization(name="norm")(x))
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="branch")(x)
    x = layers.Conv2D(8, 1, name="end")(x)
    x = layers.Add(name="join")([skip, x])
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = layers.Conv2D(10, 1, activation="relu", name="point")(x)
    x = layers.Flatten()(layers.MaxPooling2D()(x))
    x = layers.Dense(9, activation="relu", name="wide")(x)
    outputs = layers.Dense(4, name="head")(x)
    model = keras.Model(inputs, outputs, name="structured")
    shake(model)

    def fill(name, index, *place, number=0.0):
        weight = model.get_layer(name).weights[index]
        value = weight.numpy()
        value[place] = number
        weight.assign(value)

    every = slice(None)
    # Two filters of 0, of which the normalization makes a number below 0 for
    # the ReLU, and a third of which it makes one above.
    fill("stem", 0, every, every, every, [0, 1, 2])
    norm = model.get_layer("norm")
    gamma, beta, mean, variance = (w.numpy() for w in norm.weights)
    shift = np.array([-0.5, -0.1, 0.7])
    beta[:3] = shift + (gamma * mean / np.sqrt(variance + norm.epsilon))[:3]
    norm.set_weights([gamma, beta, mean, variance])
    # They live on in the sum, but for what the branch adds to the first.
    fill("end", 0, every, every, every, [0])
    fill("end", 1, [0])
    fill("branch", 0, every, every, every, [3, 4])
    fill("branch", 1, [3])
    fill("branch", 1, [4], number=0.3)  # a constant, which a strip folds
    fill("depthwise", 1, [0])
    fill("point", 0, every, every, every, [5])
    fill("point", 1, [5])
    fill("head", 0, [2, 7])  # nobody reads these units of `wide`
    model.save(folder / "structured.keras")


def kinds(folder):
    """Layers of many kinds, a model inside of the model, shared layers, two ends."""
    keras.utils.set_random_seed(0)
    tokens = keras.Input((7,), dtype="int32", name="tokens")
    motion = keras.Input((7, 6), name="motion")
    inner_input = keras.Input((7, 8))
    y = layers.Conv1D(8, 3, padding="causal", name="inner_conv")(inner_input)
    y = layers.LeakyReLU(0.1)(y)
    inner = keras.Model(inner_input, layers.LayerNormalization()(y), name="inner")
    tower = keras.Sequential(
        [layers.Dense(8, "swish", input_shape=(7, 8)), layers.Dropout(0.5)],
        name="tower",
    )
    a = layers.Embedding(20, 8, input_length=7, name="table")(tokens)
    b = layers.TimeDistributed(layers.Dense(8, name="each"))(motion)
    a, b = inner(a), inner(tower(b))
    x = layers.Concatenate()([a, b])
    x = layers.Bidirectional(layers.LSTM(5, return_sequences=True))(x)
    x = layers.GRU(6, return_sequences=True, kernel_constraint="max_norm")(x)
    x = layers.SimpleRNN(6, return_sequences=True)(x)
    x = layers.Reshape((7, 6, 1))(x)
    x = layers.SeparableConv2D(4, 3, padding="same", activation="elu")(x)
    x = layers.PReLU(shared_axes=[1, 2])(layers.UpSampling2D()(x))
    x = layers.Conv2DTranspose(5, 3, strides=2)(layers.ZeroPadding2D()(x))
    x = layers.AveragePooling2D()(layers.Rescaling(0.5, 0.1)(x))
    x = layers.Flatten()(layers.Permute((3, 1, 2))(x))
    outputs = [layers.Dense(3, name="one")(x), layers.Dense(2, "softmax")(x)]
    model = keras.Model([tokens, motion], outputs, name="kinds")
    shake(model)
    model.save(folder / "kinds.h5")


if __name__ == "__main__":
    for write in (wrapped, structured, kinds):
        write(Path(sys.argv[1]))
