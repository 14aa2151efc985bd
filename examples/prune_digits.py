"""Prune a small residual network to a budget, and measure what that brings.

    python examples/prune_digits.py --budget 0.2 --epochs 30

Runs on the handwritten digits that ship inside scikit-learn.
"""

import argparse

import keras
from sklearn.datasets import load_digits

import keras_diffmask as kd
from keras_diffmask import export


def network() -> keras.Model:
    def normalized(x, filters, strides=1):
        x = keras.layers.Conv2D(
            filters, 3, strides=strides, padding="same", use_bias=False
        )(x)
        return keras.layers.BatchNormalization()(x)

    inputs = keras.Input((8, 8, 1))
    x = keras.layers.ReLU()(normalized(inputs, 24))
    branch = normalized(keras.layers.ReLU()(normalized(x, 24)), 24)
    x = keras.layers.ReLU()(keras.layers.Add()([x, branch]))
    x = keras.layers.ReLU()(normalized(x, 48, strides=2))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(10)(x), name="digits")


def trained(model: keras.Model, data: tuple, epochs: int) -> keras.Model:
    model.compile(
        keras.optimizers.Adam(2e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(*data, epochs=epochs, batch_size=32, verbose=2)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=float, default=0.2, help="share of the MACs")
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args()

    keras.utils.set_random_seed(0)
    digits = load_digits()
    x = (digits.images[..., None] / 16.0).astype("float32")
    train, test = (x[:1300], digits.target[:1300]), (x[1300:], digits.target[1300:])

    dense = trained(network(), train, options.epochs)
    budget = kd.Budget(macs=options.budget)
    masked = trained(kd.mask_model(network(), budget=budget), train, options.epochs)

    print(export.plan(masked))
    slim = export.strip(masked)
    files = {
        name: export.to_tflite(model, "int8", calibration=train[0][:256], name=name)
        for name, model in (("dense", dense), ("pruned", slim))
    }
    result = export.benchmark(files)
    print(result.table())
    for name, artifact in files.items():
        accuracy = (artifact.run(test[0]).argmax(axis=-1) == test[1]).mean()
        print(f"{name}: int8 accuracy {accuracy:.1%}, {artifact.nbytes:,} bytes")
    print(f"pruned over dense, int8 latency: {result.ratio('pruned', 'dense')}")
    files["pruned"].save("digits.tflite")


if __name__ == "__main__":
    main()
