"""Prune an LSTM to a budget, and write the C++ sources for a microcontroller.

    python examples/prune_lstm.py

The rows of a handwritten digit are read as a sequence of eight steps. Two LSTM layers
of 48 units are pruned to 20 % of their multiply-accumulates, stripped, and converted
to int8 with TFLite's fused LSTM operator, which Keras 3 alone no longer reaches.
It prints the units kept, the operators, the int8 accuracy and, where tflite-micro is
installed (`pip install "keras-diffmask[tflm]"`, Linux on x86-64), the arena and how
closely TensorFlow Lite for Microcontrollers (TFLM) agrees with Keras. `rows.tflite`
and the folder `firmware` are left in the folder of `--out`.
"""

import argparse
import importlib.util
from pathlib import Path

import keras
from sklearn.datasets import load_digits

import keras_diffmask as kd
from keras_diffmask import export


def network() -> keras.Model:
    inputs = keras.Input((8, 8))
    x = keras.layers.LSTM(48, return_sequences=True, name="lower")(inputs)
    x = keras.layers.LSTM(48, name="upper")(x)
    return keras.Model(inputs, keras.layers.Dense(10, name="head")(x), name="rows")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=0.2, help="share of the MACs")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("."), help="folder for files")
    options = parser.parse_args()

    keras.utils.set_random_seed(0)
    digits = load_digits()
    x, y = (digits.images / 16.0).astype("float32"), digits.target
    x_train, y_train, x_test, y_test = x[:1300], y[:1300], x[1300:], y[1300:]

    # A hidden neuron has one gate for all that belongs to it: four columns of each
    # kernel, its row of the recurrent kernel, and its row in the layer above.
    masked = kd.mask_model(network(), budget=kd.Budget(macs=options.budget))
    masked.compile(
        keras.optimizers.Adam(5e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    masked.fit(x_train, y_train, epochs=options.epochs, batch_size=32, verbose=2)
    kd.summary(masked)

    # target="cortex-m" refuses, by the layer's name, what TFLM has no kernel for.
    slim = export.strip(masked)
    artifact = export.to_tflite(
        slim, "int8", calibration=x_train[:256], target="cortex-m", name="rows"
    )
    print(artifact)
    # One gate after the other would be hundreds of small operators: count them.
    print(f"operators: {', '.join(artifact.ops)}")
    accuracy = (artifact.run(x_test).argmax(axis=-1) == y_test).mean()
    print(f"int8 accuracy {accuracy:.1%}, {artifact.nbytes:,} bytes")
    options.out.mkdir(parents=True, exist_ok=True)
    artifact.save(options.out / "rows.tflite")

    if importlib.util.find_spec("tflite_micro") is None:
        print("arena: not measured, tflite-micro is not installed")
        return
    print(f"arena {artifact.arena_bytes():,} bytes in TFLM")
    found = export.verify(artifact, slim, x_test[:100])
    print(f"same class in Keras and TFLM: {found.pair('keras', 'tflm').argmax:.1%}")
    # With one real example, which the program on the board compares with.
    firmware = options.out / "firmware"
    artifact.save_firmware(firmware, golden=x_test[:1], force=True)
    print("firmware:", *sorted(path.name for path in firmware.iterdir()))


if __name__ == "__main__":
    main()
