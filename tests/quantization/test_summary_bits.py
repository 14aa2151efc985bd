"""`kd.summary` tells how many bits weights are trained for."""

import keras

import keras_diffmask as kd


def network() -> keras.Model:
    inputs = keras.Input((6, 4))
    x = keras.layers.Bidirectional(keras.layers.LSTM(3), name="both")(inputs)
    return keras.Model(inputs, keras.layers.Dense(2, name="head")(x))


def test_bits_of_every_layer() -> None:
    four = kd.mask_model(
        network(), quantization=kd.quantizers.Quantization(weight_bits=4)
    )
    bits = {row.name: row.bits for row in kd.summary(four, verbose=False).layers}
    assert bits["head"] == 4 and bits["both"] in (4, 8)
    header, *rows = str(kd.summary(four, verbose=False)).splitlines()
    assert header.endswith("weight bits")
    assert rows[[row.split()[0] for row in rows].index("head")].endswith("  4")


def test_no_column_without_quantizers() -> None:
    found = kd.summary(kd.mask_model(network()), verbose=False)
    assert {row.bits for row in found.layers} == {32}
    assert "bits" not in str(found).splitlines()[0]
    slim = kd.summary(network(), verbose=False)
    assert "bits" not in str(slim)
