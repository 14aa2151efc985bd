"""Quick start: from a trained Keras model to a smaller int8 .tflite file.

    python examples/quick_start.py

Trains a small convolutional network on the handwritten digits that ship inside
scikit-learn, prunes it to 30 % of its multiply-accumulates (MACs), takes the closed
channels out, and converts both networks to int8. It prints what each layer kept, how
far apart masked and stripped network are, and size, accuracy and latency of the two
files; `pruned.tflite` is left in the folder of `--out`.
"""

import argparse
from pathlib import Path

import keras
import numpy as np
from sklearn.datasets import load_digits

import keras_diffmask as kd
from keras_diffmask import export


def network() -> keras.Model:
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(32, 3, padding="same", use_bias=False, name="stem")(inputs)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    x = keras.layers.Conv2D(
        64, 3, strides=2, padding="same", activation="relu", name="middle"
    )(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(64, activation="relu", name="hidden")(x)
    return keras.Model(inputs, keras.layers.Dense(10, name="head")(x), name="digits")


def compiled(model: keras.Model) -> keras.Model:
    model.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=0.3, help="share of the MACs")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("."), help="folder for files")
    options = parser.parse_args()

    keras.utils.set_random_seed(0)
    digits = load_digits()
    x, y = (digits.images[..., None] / 16.0).astype("float32"), digits.target
    x_train, y_train, x_test, y_test = x[:1300], y[:1300], x[1300:], y[1300:]

    # 1. A trained Keras model, as you may have one.
    dense = compiled(network())
    dense.fit(x_train, y_train, epochs=options.epochs, verbose=2)

    # 2. A copy of it with a gate on every channel, and the budget. `fit` searches for
    #    half of its steps, then decides the gates and trains what is left.
    masked = compiled(kd.mask_model(dense, budget=kd.Budget(macs=options.budget)))
    masked.fit(x_train, y_train, epochs=options.epochs, verbose=2)
    kd.summary(masked)

    # 3. Closed channels leave for good: `slim` is stock Keras and computes the same.
    slim = export.strip(masked)
    kept, total = slim.count_params(), dense.count_params()
    difference = np.abs(
        masked.predict(x_test, verbose=0) - slim.predict(x_test, verbose=0)
    ).max()
    print(f"weights kept: {kept:,} of {total:,}")
    print(f"largest difference between masked and stripped: {difference:.1e}")

    # 4. int8 files, side by side. Calibration data are inputs as in training.
    files = {
        name: export.to_tflite(model, "int8", calibration=x_train[:256], name=name)
        for name, model in (("dense", dense), ("pruned", slim))
    }
    result = export.benchmark(files)
    print(result.table())
    for name, artifact in files.items():
        accuracy = (artifact.run(x_test).argmax(axis=-1) == y_test).mean()
        print(f"{name}: int8 accuracy {accuracy:.1%}, {artifact.nbytes:,} bytes")
    print(f"pruned over dense, int8 latency: {result.ratio('pruned', 'dense')}")
    options.out.mkdir(parents=True, exist_ok=True)
    files["pruned"].save(options.out / "pruned.tflite")


if __name__ == "__main__":
    main()
