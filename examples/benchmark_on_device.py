"""Prune to a time on a device, and measure there whether it came true.

    python examples/benchmark_on_device.py
    python examples/benchmark_on_device.py --device android --cores big
    python examples/benchmark_on_device.py --device ssh:pi@raspberrypi.local

Without a device everything is timed on this computer. On an Android phone, which adb
reaches, or a Linux board, which ssh reaches, Google's `benchmark_model` does it:
docs/put_it_on_a_phone.md says where to put that program. There it takes minutes.

First every operator of the dense network is timed at several numbers of channels. A
budget in time, here a share of the dense network's, counts by that table. Then dense
and pruned network run in turns. It prints the table of that benchmark, and the ratio
that was asked for, the one that was foretold and the one measured: on two cores of a PC
0.500, 0.470 and 0.470 (0.469..0.470). `latency.json`, `benchmark.json` and both
.tflite files are left in the folder of `--out`.
"""

import argparse
from pathlib import Path

import keras
import numpy as np

import keras_diffmask as kd
from keras_diffmask import export


def network(size: int) -> keras.Model:
    x = inputs = keras.Input((size, size, 3))
    for place, filters in enumerate((32, 64, 64)):
        x = keras.layers.Conv2D(
            filters, 3, strides=1 + (place > 0), padding="same", use_bias=False
        )(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(3)(x), name="stripes")


def stripes(count: int, size: int) -> tuple:
    """Noisy images whose stripes lie, stand or slant. The time depends on no data."""
    random = np.random.default_rng(0)
    y = random.integers(0, 3, count)
    directions = np.array([[0, 1], [1, 0], [0.7, 0.7]])[y]
    position = np.tensordot(directions, np.indices((size, size)), 1)
    waves = np.sin(position + random.uniform(0, 6, (count, 1, 1)))[..., None]
    noise = random.normal(0, 1, (count, size, size, 3))
    return (0.5 * waves + noise).astype("float32"), y


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="host", help="android, ssh:user@host, ...")
    parser.add_argument("--cores", help='of a device: "big", or a mask such as f0')
    parser.add_argument("--budget", type=float, default=0.5, help="share of the time")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="few rounds, small images")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder for files")
    options = parser.parse_args()
    device = {"device": options.device, "cores": options.cores}
    rounds, seconds = (5, 0.2) if options.quick else (None, None)
    size = 16 if options.quick else 48

    keras.utils.set_random_seed(0)
    x, y = stripes(600, size)
    options.out.mkdir(parents=True, exist_ok=True)
    dense = network(size)
    table = export.measure_latency(dense, rounds=rounds, **device)
    table.save(options.out / "latency.json")  # kd.costs.LatencyTable.load reads it

    budget = kd.Budget(latency=options.budget, latency_table=table)
    masked = kd.mask_model(dense, budget=budget)
    for model in (dense, masked):
        model.compile(
            keras.optimizers.Adam(2e-3),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        model.fit(x, y, epochs=options.epochs, verbose=2)
    foretold = kd.summary(masked).budgets[0].decided

    files = {
        name: export.to_tflite(model, "int8", calibration=x[:128], name=name)
        for name, model in (("dense", dense), ("pruned", export.strip(masked)))
    }
    for name, artifact in files.items():
        artifact.save(options.out / f"{name}.tflite")
    result = export.benchmark(files, rounds=rounds, seconds=seconds, **device)
    result.save(options.out / "benchmark.json")
    print(result.table())
    print(f"asked for {options.budget:.3f} of the dense time, foretold {foretold:.3f}")
    print(f"measured {result.ratio('pruned', 'dense')}")


if __name__ == "__main__":
    main()
