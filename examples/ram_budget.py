"""Prune to the bytes of a board: so much flash for the model, so much RAM.

    python examples/ram_budget.py

Nothing else has to be tuned: `fit` finds the channels with which the int8 file and the
arena of TensorFlow Lite for Microcontrollers (TFLM) fit. It prints what was asked for
and what the converted file takes. The arena is that of TFLM's own interpreter, where
tflite-micro is installed (`pip install "keras-diffmask[tflm]"`, Linux on x86-64).
`board.tflite` is left in the folder of `--out`.
"""

import argparse
import importlib.util
from pathlib import Path

import keras
from sklearn.datasets import load_digits

import keras_diffmask as kd
from keras_diffmask import export


def network() -> keras.Model:
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(48, 3, padding="same", use_bias=False, name="stem")(inputs)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    x = keras.layers.Conv2D(64, 3, padding="same", activation="relu", name="wide")(x)
    x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Conv2D(64, 3, padding="same", activation="relu", name="deep")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(10, name="head")(x), name="board")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flash", type=float, default=20.0, help="KiB, for the file")
    parser.add_argument("--ram", type=float, default=6.0, help="KiB, for the arena")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path("."), help="folder for files")
    options = parser.parse_args()

    keras.utils.set_random_seed(0)
    digits = load_digits()
    x, y = (digits.images[..., None] / 16.0).astype("float32"), digits.target
    x_train, y_train, x_test, y_test = x[:1300], y[:1300], x[1300:], y[1300:]
    has_tflm = importlib.util.find_spec("tflite_micro") is not None

    # Converts the dense network once: what its file and arena come to calibrates the
    # formulas by which the bytes of every smaller one are foretold.
    model = network()
    dense = export.measure_dense(model, x_train[:256], arena=has_tflm)
    print(f"dense: flash {dense.flash:,} bytes, arena {dense.ram or 0:,} bytes")

    # margin=0: all of --ram is for the arena as it is on this computer. By default
    # 8 KiB or 20 %, whichever is more, are left for what differs on the board. What
    # is foretold was within 2 % of what was measured, so 2 % less are asked for.
    flash, ram = (f"{0.98 * kib} KiB" for kib in (options.flash, options.ram))
    budget = kd.Budget(flash=flash, ram=ram, margin=0, measured=dense)
    masked = kd.mask_model(model, budget=budget)
    masked.compile(
        keras.optimizers.Adam(2e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    masked.fit(x_train, y_train, epochs=options.epochs, verbose=2)
    kd.summary(masked)

    artifact = export.to_tflite(
        export.strip(masked),
        "int8",
        calibration=x_train[:256],
        target="cortex-m",
        name="board",
    )
    accuracy = (artifact.run(x_test).argmax(axis=-1) == y_test).mean()
    print(f"int8 accuracy {accuracy:.1%}")
    print(f"flash {artifact.nbytes:,} bytes, asked for {options.flash:g} KiB")
    if has_tflm:
        arena = artifact.arena_bytes()
        print(f"arena {arena:,} bytes, asked for {options.ram:g} KiB")
    else:
        print("arena: not measured, tflite-micro is not installed")
    options.out.mkdir(parents=True, exist_ok=True)
    artifact.save(options.out / "board.tflite")


if __name__ == "__main__":
    main()
