"""Law 3 for models built by hand: constants, ties, fractions, gathers."""

from pathlib import Path

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import export
from keras_diffmask import layers as masked
from keras_diffmask.errors import UnsupportedModelError
from tests.laws import alive
from tests.laws import hand_built_parts as hand_built_parts
from tests.laws import hand_built_recurrent as hand_built_recurrent
from tests.laws.hand_built import HAND_BUILT, LAST, HandBuilt, close, last
from tests.laws.test_law_3_strip import assert_stock

PRECISIONS = ["float64", "float32"] if alive.TENSORFLOW else ["float32"]


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("case", HAND_BUILT.values(), ids=str)
def test_strip_is_exact(case: HandBuilt, dtype: str) -> None:
    model, x = alive.build(case.entry, dtype), case.entry.inputs()
    before = alive.fingerprint(model)
    expected = alive.run(model, x)
    alive.assert_varies(expected)
    slim, plan = export.strip(model), export.plan(model)
    tolerance = 1e-9 if dtype == "float64" else 1e-5
    assert alive.distance(expected, alive.run(slim, x)) <= tolerance
    assert alive.early_swap(slim, x) > 100 * tolerance
    assert_stock(slim)
    alive.assert_untouched(model, before)

    layers = {layer.name: layer for layer in slim.layers}
    for name, units in case.left.items():
        if units == 0:
            assert name not in layers
            continue
        config = unwrapped(layers[name]).get_config()
        assert config.get("units", config.get("filters")) == units, name
    rows = {name: row for row in plan.rows for name in row.layers}
    stay = {name: row.stays for name, row in rows.items() if row.stays}
    assert sum(map(len, stay.values())) >= len(case.reasons)
    for name, (count, why) in case.reasons.items():
        assert sum(rows[name].stays.values()) == count
        assert all(why in reason for reason in rows[name].stays)
        assert why in str(plan)
    kinds = [type(layer) for layer in slim.layers]
    assert (keras.layers.Rescaling in kinds) == case.rescales
    assert plan.parameters[1] == slim.count_params()
    assert kd.summary(model, verbose=False).total("parameters")[0] == plan.parameters[1]


def unwrapped(layer: keras.layers.Layer) -> keras.layers.Layer:
    """What a wrapper is around; both directions in one have the same width."""
    for name in ("forward_layer", "layer", "cell"):
        layer = getattr(layer, name, layer)
    return layer


@pytest.mark.parametrize("name", ["fractional", "closed_branch_with_a_constant"])
def test_what_rescales_is_saved(name: str, tmp_path: Path) -> None:
    entry = HAND_BUILT[name].entry
    model, x = alive.build(entry), entry.inputs()
    export.strip(model).save(tmp_path / "slim.keras")
    again = keras.saving.load_model(tmp_path / "slim.keras")
    assert alive.distance(alive.run(model, x), alive.run(again, x)) <= 1e-5


def test_reader_keeps_a_unit_that_an_earlier_round_left() -> None:
    """Once the only reader of a kept unit goes, that unit is the last, not another."""
    inputs = keras.Input((4,))
    x = keras.layers.Dense(4, "tanh", name="first")(inputs)
    x = keras.layers.Dense(2, "tanh", name="second")(x)
    model = keras.Model(inputs, keras.layers.Dense(3, name="third")(x))
    rng = np.random.default_rng(0)
    for layer in model.layers[1:]:
        layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    first_rows = model.get_layer("second").kernel
    kernel = np.zeros((4, 2), "float32")
    kernel[3, 1] = 1.0
    first_rows.assign(kernel)
    model.get_layer("third").kernel.assign(np.zeros((2, 3), "float32"))
    slim = export.strip(model)
    assert [slim.get_layer(n).units for n in ("first", "second", "third")] == [1, 1, 3]
    x = rng.normal(size=(5, 4)).astype("float32")
    assert alive.distance(alive.run(model, x), alive.run(slim, x)) <= 1e-6


def test_broadcast_sum_keeps_its_shape() -> None:
    """The constant side of an Add that broadcasts is what gives it its shape."""
    inputs = keras.Input((4, 4, 3))
    wide = keras.layers.Conv2D(3, 1, kernel_initializer="zeros")(inputs)
    narrow = keras.layers.GlobalAveragePooling2D(keepdims=True)(inputs)
    model = keras.Model(inputs, keras.layers.Add()([wide, narrow]))
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype("float32")
    slim = export.strip(model)
    assert alive.distance(alive.run(model, x), alive.run(slim, x)) <= 1e-6


def test_last_unit_has_its_reason() -> None:
    inputs = keras.Input((4,))
    gate = kd.Gate(5, min_keep=0, name="all_gate")
    mask, _ = gate(inputs)
    x = masked.MaskedDense(5, "relu", estimator=None, name="all")(
        inputs, gate_mask=mask
    )
    model = close(keras.Model(inputs, keras.layers.Dense(3)(x)), ("all_gate", 5))
    plan = export.plan(model)
    assert plan.rows[0].kept == 1 and LAST in next(iter(plan.rows[0].stays))
    assert export.strip(model).get_layer("all").units == 1


def test_masked_layer_in_a_wrapper_of_unknown_doings_is_refused_by_name() -> None:
    """Copied as it is, it would carry the library into a stock model."""
    inputs = keras.Input((4,))
    inner = masked.MaskedDense(4, name="inside")
    x = keras.layers.SpectralNormalization(inner, name="outside")(inputs)
    with pytest.raises(UnsupportedModelError) as caught:
        export.strip(keras.Model(inputs, x))
    assert str(caught.value) == (
        "Expected masked layers that are called in the model's own graph; received "
        "'inside' (MaskedDense) inside of 'outside'. Call it without the wrapper, or "
        "build the nested model's layers into the outer graph."
    )


def test_cells_read_backwards_are_baked_and_left_whole() -> None:
    """No chain of layers does it where steps are masked; the plan says so."""
    inputs = keras.Input((5, 4))
    cells = [masked.MaskedGRUCell(4, name="one"), masked.MaskedLSTMCell(3)]
    x = keras.layers.RNN(cells, go_backwards=True, name="stack")(inputs)
    model = close(keras.Model(inputs, last(x)), ("one_hidden_gate", 2))
    x = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
    slim = export.strip(model)
    assert_stock(slim)
    np.testing.assert_allclose(alive.array(slim(x)), alive.array(model(x)), atol=1e-6)
    assert "a cell of class StackedRNNCells" in str(export.plan(model))
