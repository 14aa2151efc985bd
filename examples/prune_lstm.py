"""Take hidden neurons out of an LSTM by hand, and convert what is left.

    python examples/prune_lstm.py --keep 20

The rows of a handwritten digit are read as a sequence of eight steps.
"""

import argparse

import keras
import numpy as np
from sklearn.datasets import load_digits

import keras_diffmask as kd
from keras_diffmask import export


def network() -> keras.Model:
    inputs = keras.Input((8, 8))
    x = kd.layers.MaskedLSTM(
        64,
        hidden_estimator="hard_concrete",
        gate_regularizer=kd.regularizers.L0(1e-5),
        name="lstm",
    )(inputs)
    return keras.Model(inputs, keras.layers.Dense(10)(x), name="rows")


def keep_most_open(gate: kd.Gate, count: int) -> None:
    """Fix the gate to its `count` largest logits."""
    logits = keras.ops.convert_to_numpy(gate.logits())
    keep = np.zeros(gate.units, bool)
    keep[np.argsort(-logits)[:count]] = True
    gate.set_keep(keep)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=int, default=20, help="hidden neurons of 64")
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()

    keras.utils.set_random_seed(0)
    digits = load_digits()
    x = (digits.images / 16.0).astype("float32")
    train, test = (x[:1300], digits.target[:1300]), (x[1300:], digits.target[1300:])

    model = network()
    model.compile(
        keras.optimizers.Adam(5e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(*train, epochs=options.epochs, batch_size=32, verbose=2)
    for gate in kd.gates(model):
        keep_most_open(gate, options.keep)
    # The decided network trains on: its gates stay as they are.
    model.fit(*train, epochs=max(1, options.epochs // 2), batch_size=32, verbose=2)

    print(export.plan(model))
    slim = export.strip(model)
    artifact = export.to_tflite(slim, "int8", calibration=train[0][:256], name="rows")
    print(", ".join(artifact.ops))
    accuracy = (artifact.run(test[0]).argmax(axis=-1) == test[1]).mean()
    print(f"int8 accuracy {accuracy:.1%}, {artifact.nbytes:,} bytes")
    artifact.save("rows.tflite")


if __name__ == "__main__":
    main()
