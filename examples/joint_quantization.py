"""Train masks and int8 rounding together, and convert without calibration data.

    python examples/joint_quantization.py

Every weight and activation is rounded in training as the device will round it, while
gates search for the channels to keep. The strip keeps the quantizers, so that what
they learned goes into the file. It prints the float accuracy of the dense network,
the accuracy of the simulation in Keras and of the .tflite file, and how often the two
choose the same class. `joint.tflite` is left in the folder of `--out`.
"""

import argparse
from pathlib import Path

import keras
from sklearn.datasets import load_digits

import keras_diffmask as kd
from keras_diffmask import export


def network() -> keras.Model:
    inputs = keras.Input((8, 8, 1))
    x = inputs
    for filters, strides in ((24, 1), (48, 2)):
        x = keras.layers.Conv2D(
            filters, 3, strides=strides, padding="same", use_bias=False
        )(x)
        # Folded into the convolution, in the simulation as in the file.
        x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(10)(x), name="joint")


def compiled(model: keras.Model, rate: float) -> keras.Model:
    model.compile(
        keras.optimizers.Adam(rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=0.3, help="share of the MACs")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path("."), help="folder for files")
    options = parser.parse_args()

    keras.utils.set_random_seed(0)
    digits = load_digits()
    x, y = (digits.images[..., None] / 16.0).astype("float32"), digits.target
    x_train, y_train, x_test, y_test = x[:1300], y[:1300], x[1300:], y[1300:]

    dense = compiled(network(), 2e-3)
    dense.fit(x_train, y_train, epochs=options.epochs, verbose=2)
    print(f"dense float accuracy {dense.evaluate(x_test, y_test, verbose=0)[1]:.1%}")

    joint = kd.mask_model(
        dense, budget=kd.Budget(macs=options.budget), quantization="int8"
    )
    compiled(joint, 2e-3).fit(x_train, y_train, epochs=options.epochs, verbose=2)
    kd.summary(joint)

    # With quantizers, the network still computes the device's integers: it can be
    # saved, loaded and fine-tuned. Without `keep_quantizers` it is stock Keras.
    slim = compiled(export.strip(joint, keep_quantizers=True), 2e-4)
    slim.fit(x_train, y_train, epochs=max(1, options.epochs // 10), verbose=2)
    print(f"simulated accuracy {slim.evaluate(x_test, y_test, verbose=0)[1]:.1%}")

    # No calibration data and no mode: the ranges are those that training found.
    artifact = export.to_tflite(slim, name="joint")
    accuracy = (artifact.run(x_test).argmax(axis=-1) == y_test).mean()
    print(f"int8 accuracy {accuracy:.1%}, {artifact.nbytes:,} bytes")
    found = export.verify(artifact, slim, x_test)
    pair = found.pair("keras", "litert-reference")
    print(f"same class in simulation and file: {pair.argmax_or_tie:.1%}")
    print(f"outputs at most one integer step apart: {pair.within_1:.1%}")
    options.out.mkdir(parents=True, exist_ok=True)
    artifact.save(options.out / "joint.tflite")


if __name__ == "__main__":
    main()
