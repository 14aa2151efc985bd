"""Teach keras_diffmask a layer of your own, so that its channels can go.

    python examples/own_layer.py

Without a rule the layer is left alone, and so are the channels on both sides
of it. A rule answers three questions: which channels belong together, what
the layer makes of a constant, and which of its weights are left.
"""

import argparse

import keras
import numpy as np

import keras_diffmask as kd
from keras_diffmask import export, graph


@keras.saving.register_keras_serializable("example")
class Affine(keras.layers.Layer):
    """y = scale * x + shift, with one scale and one shift per channel."""

    def build(self, shape):
        channels = (shape[-1],)
        self.scale = self.add_weight(name="scale", shape=channels, initializer="ones")
        self.shift = self.add_weight(name="shift", shape=channels)

    def call(self, x):
        return self.scale * x + self.shift


class AffineRule(graph.Channelwise):
    """Channels pass through `Affine`, each on its own."""

    def constants(self, step, inputs):
        scale, shift = (np.asarray(w, float) for w in step.layer.get_weights())
        # NaN stands for a channel that varies, and stays NaN.
        return [inputs[0] * scale + shift]

    def parameters(self, step):
        return [graph.Term(2, None, step.inputs[0].reshape(-1))]

    def shrink(self, step, cut):
        stays = cut.along(step.inputs[0])
        scale, shift = step.layer.get_weights()
        return {}, {"scale": scale[stays], "shift": shift[stays]}


def network():
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(16, 3, padding="same", name="before")(inputs)
    x = keras.layers.ReLU()(Affine(name="affine")(x))
    x = keras.layers.Conv2D(8, 3, activation="relu", name="after")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(4)(x))


def halved(model):
    """The model with every other channel of every gate closed, and stripped."""
    masked = kd.mask_model(model)
    for gate in kd.gates(masked):
        gate.set_keep(np.arange(gate.units) % 2 == 0)
    return masked, export.strip(masked)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    keras.utils.set_random_seed(parser.parse_args().seed)

    model = network()
    print(export.plan(model), "\n")

    graph.register(Affine)(AffineRule)
    print("With the rule:")
    masked, slim = halved(model)
    print(export.plan(masked))
    x = np.random.default_rng(0).normal(size=(4, 16, 16, 3)).astype("float32")
    error = np.abs(np.asarray(masked(x)) - np.asarray(slim(x))).max()
    print(f"largest difference between masked and stripped: {error:.1e}")


if __name__ == "__main__":
    main()
