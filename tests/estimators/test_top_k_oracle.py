"""TopK against its NumPy oracle with the loop over k, forward and backward."""

import json
import time
from typing import Any

import keras
import numpy as np
import pytest

import keras_diffmask as kd
from keras_diffmask import schedules
from keras_diffmask.errors import BudgetError, InvalidArgumentError
from keras_diffmask.estimators import TopK
from keras_diffmask.estimators.relaxed_top_k import masked_softmaxes, relaxed_top_k
from tests.laws.masked_cases import array
from tests.reference import top_k as oracle
from tests.reference.gradients import autodiff

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0.0, 0.5, (5, 12)).astype("float32")
NOISE = RNG.uniform(0.02, 0.98, (5, 12)).astype("float32")
TEMPERATURES = [0.1, 0.5, 1.0, 5.0]


@pytest.fixture
def fixed_noise(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    def uniform(shape: Any, *_: Any, **__: Any) -> Any:
        return keras.ops.convert_to_tensor(NOISE.reshape(tuple(shape)))

    monkeypatch.setattr(keras.random, "uniform", uniform)
    return NOISE


@pytest.mark.parametrize("noise_scale", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("k", [1, 5, 11, 12])
def test_top_k_sample_is_exactly_the_hard_top_k(
    k: int, noise_scale: float, fixed_noise: np.ndarray
) -> None:
    estimator = TopK(k=k, noise_scale=noise_scale)
    logits = keras.ops.convert_to_tensor(LOGITS)
    ours = np.asarray(estimator.sample(logits, keras.random.SeedGenerator(0)))
    noisy = LOGITS + noise_scale * oracle.gumbel(fixed_noise)
    assert np.array_equal(ours, oracle.hard(noisy, k))
    assert np.array_equal(estimator.decide(logits), oracle.hard(LOGITS, k))
    assert np.array_equal(estimator.keep_probability(logits), oracle.hard(LOGITS, k))


@pytest.mark.parametrize("k", [1, 3, 9, 40, 63])
@pytest.mark.parametrize("kinds", [(0.0,), (0.0, 1.0), (0.0, -0.0, 1.0, -1.0)])
def test_top_k_of_equal_logits_opens_the_first_in_training_and_inference(
    k: int, kinds: tuple[float, ...]
) -> None:
    """As the zeros of a sparse kernel are, and -0.0 is one of them."""
    logits = np.random.default_rng(1).choice(kinds, (7, 64)).astype("float32")
    first = np.argsort(-(logits + 0.0), axis=-1, kind="stable")[:, :k]
    expected = np.zeros_like(logits)
    np.put_along_axis(expected, first, 1.0, axis=-1)
    estimator = TopK(k=k, noise_scale=0.0)
    tensor = keras.ops.convert_to_tensor(logits)
    for mask in (
        estimator.decide(tensor),
        estimator.sample(tensor, keras.random.SeedGenerator(0)),
        estimator.keep_probability(tensor),
    ):
        assert np.array_equal(array(mask), expected)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("k", [1, 3, 11])
def test_top_k_gradient_is_that_of_the_masked_softmaxes(
    k: int, temperature: float, fixed_noise: np.ndarray
) -> None:
    """Two cumulative sums here, k softmaxes in a loop there."""
    estimator = TopK(k=k, temperature=temperature, noise_scale=0.5)
    weights = RNG.normal(size=LOGITS.shape)
    seed, pull = keras.random.SeedGenerator(0), weights.astype("float32")
    ours = autodiff(
        lambda a: keras.ops.multiply(estimator.sample(a, seed), pull), LOGITS
    )
    noisy = LOGITS + 0.5 * oracle.gumbel(fixed_noise)
    expected = oracle.soft_gradient(noisy, k, temperature, weights)
    np.testing.assert_allclose(ours, expected, rtol=2e-4, atol=2e-5 / temperature)
    assert np.abs(ours).max() > 1e-3


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("k", [1, 3, 11])
def test_top_k_relaxation_has_the_value_of_the_loop(k: int, temperature: float) -> None:
    descending = np.sort(LOGITS, axis=1)[:, ::-1].copy()
    ours = masked_softmaxes(keras.ops.convert_to_tensor(descending), k, temperature)
    looped = oracle.soft(descending, k, temperature)
    np.testing.assert_allclose(ours, looped, rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(looped.sum(axis=1), k, rtol=1e-9)


@pytest.mark.parametrize("k", [1, 100, 499])
def test_top_k_gradient_is_finite_where_exponentials_vanish(k: int) -> None:
    """A quotient by the normalizer would have 1 / z ** 2, beyond float32."""
    s = np.linspace(4.6, -16.0, 500).astype("float32")[None]
    pull = np.resize(np.array([1.0, -1.0, 3.0], "float32"), 500)
    slope = autodiff(lambda a: keras.ops.multiply(relaxed_top_k(a, k, 0.1), pull), s)
    assert np.all(np.isfinite(slope))
    # What lies below exp(-80), from element 194 on, counts as equal: nothing
    # that the picks further up would notice.
    expected = oracle.soft_gradient(s, k, 0.1, pull)
    inside = slice(0, 194 if k <= 100 else 150)
    np.testing.assert_allclose(slope[:, inside], expected[:, inside], atol=2e-3)
    assert np.abs(expected).max() > 1.0


def test_oracle_in_descending_order_is_nearer_to_the_mask_than_in_order_of_index() -> (
    None
):
    """The drafts exclude by index: entries go beyond 1, and T -> 0 does not help."""
    rng = np.random.default_rng(0)
    s = rng.normal(0.0, 0.5, (4000, 16)) + oracle.gumbel(rng.uniform(size=(4000, 16)))

    def distance(temperature: float, by_index: bool) -> float:
        soft = oracle.soft(s, 4, temperature, by_index)
        return np.abs(soft - oracle.hard(s, 4)).max(axis=1).mean()

    found = [distance(t, by) for by in (False, True) for t in (0.5, 0.1)]
    np.testing.assert_allclose(found, [0.57, 0.32, 1.37, 1.76], atol=0.06)
    assert oracle.soft(s, 4, 0.1, by_index=True).max() > 2.7


def test_top_k_schedules_move_temperature_and_noise(fixed_noise: np.ndarray) -> None:
    estimator = TopK(
        k=3,
        temperature=schedules.Linear(5.0, 0.01, steps=100),
        noise_scale=schedules.Linear(1.0, 0.0, steps=100),
    )
    assert estimator.is_scheduled and not TopK().is_scheduled
    weights, seed = RNG.normal(size=LOGITS.shape), keras.random.SeedGenerator(0)
    pull = weights.astype("float32")
    # At the end the temperature is taken as 0.1.
    for step, temperature, scale in ((0, 5.0, 1.0), (50, 2.505, 0.5), (100, 0.1, 0.0)):
        ours = autodiff(
            lambda a, step=step: keras.ops.multiply(
                estimator.sample(a, seed, step), pull
            ),
            LOGITS,
        )
        noisy = LOGITS + scale * oracle.gumbel(fixed_noise)
        expected = oracle.soft_gradient(noisy, 3, temperature, weights)
        np.testing.assert_allclose(ours, expected, rtol=2e-4, atol=2e-4)
    restored = TopK.from_config(json.loads(json.dumps(estimator.get_config())))
    assert restored.get_config() == estimator.get_config()


def test_top_k_of_all_is_a_plain_layer_and_draws_no_gradient() -> None:
    x = RNG.normal(size=(3, 6)).astype("float32")
    masked = kd.layers.MaskedDense(4, estimator=TopK(1.0), granularity="weight")
    outputs = masked(x)
    plain = keras.layers.Dense(4)
    plain.build(x.shape)
    plain.kernel.assign(keras.ops.convert_to_numpy(masked.kernel))
    assert np.array_equal(array(outputs), array(plain(x)))
    assert np.array_equal(array(masked(x, training=True)), array(plain(x)))
    seed = keras.random.SeedGenerator(0)
    assert not np.any(autodiff(lambda a: TopK(k=12).sample(a, seed), LOGITS))


def test_top_k_starts_where_the_weights_are_large_or_at_random_as_seeded() -> None:
    layer = kd.layers.MaskedDense(6, estimator=TopK(4), granularity="weight")
    layer.build((None, 10))
    size = np.abs(keras.ops.convert_to_numpy(layer.kernel))
    assert np.array_equal(layer.gate.keep, oracle.hard(size.T, 4).T > 0)
    logits = array(layer.gate.logits())
    np.testing.assert_allclose([logits.mean(), logits.std()], [0.0, 0.5], atol=1e-5)
    starts = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        gate = kd.Gate((400,), TopK(start="random"))
        gate.build()
        starts.append(array(gate.logits()))
    assert np.array_equal(starts[0], starts[1])
    assert not np.array_equal(starts[0], starts[2])
    assert abs(starts[0].std() - 0.5) < 0.1 and abs(starts[0].mean()) < 0.1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"k": 0}, r"Expected k to be an int >= 1, or a float in .*k=0\. Pass k=4"),
        ({"k": -2}, "Expected k to be an int >= 1"),
        ({"k": 1.5}, "Expected k to be an int >= 1"),
        ({"k": 0.0}, "Expected k to be an int >= 1"),
        ({"k": True}, "Expected k to be an int >= 1"),
        ({"tiles": 0}, "tiles to be an int >= 1; received tiles=0"),
        ({"start": "middle"}, "start to be 'magnitude' or 'random'.*'middle'"),
        ({"temperature": 0.0}, "temperature .* > 0; received temperature=0.0"),
        ({"temperature": schedules.Linear(5.0, -0.5, steps=9)}, "at every step"),
        ({"noise_scale": -0.1}, "noise_scale .* >= 0; received noise_scale=-0.1"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_top_k_raises_for_an_argument_outside_of_its_range(
    arguments: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=sentence):
        TopK(**arguments)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"k": 9}, "k of at most 8, the elements of a row .* 'top_gate'; received k=9"),
        ({"k": 2, "tiles": 3}, "tiles to divide the 8 inputs .* gate 'top_gate'"),
        ({"k": 5, "tiles": 2}, "k of at most 4, .* 'top_gate'"),
        ({"axes": (2,)}, r"axes to name different axes of a mask of 2 .*axes=\(2,\)"),
        ({"axes": (0, -2)}, "different axes of a mask of 2 for gate 'top_gate'"),
    ],
    ids=str,
)
def test_top_k_that_does_not_fit_a_layer_raises_with_the_gate_when_it_is_built(
    arguments: dict[str, Any], sentence: str
) -> None:
    layer = kd.layers.MaskedDense(
        4, estimator=TopK(**arguments), granularity="weight", name="top"
    )
    with pytest.raises(InvalidArgumentError, match=sentence):
        layer.build((None, 8))


def test_top_k_set_keep_takes_k_of_each_row_or_all_and_nothing_else() -> None:
    layer = kd.layers.MaskedDense(3, estimator=TopK(2), granularity="weight", name="d")
    layer.build((None, 4))
    keep = oracle.hard(RNG.normal(size=(3, 4)), 2).T > 0
    for decision in (keep, np.ones((4, 3), bool)):
        layer.gate.set_keep(decision)
        assert np.array_equal(layer.gate.keep, decision)
    keep[:, 1] = [True, True, True, False]
    with pytest.raises(
        InvalidArgumentError,
        match="all elements open, or exactly 2 of 4 in each row for gate 'd_gate'; "
        "received rows of 2 to 3 open elements",
    ):
        layer.gate.set_keep(keep)


def _mlp() -> keras.Model:
    return keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(2)]
    )


def test_mask_model_refuses_to_budget_or_round_a_count_that_is_given() -> None:
    with pytest.raises(
        BudgetError, match="TopK, which keeps exactly k of n and so is its own budget"
    ):
        kd.mask_model(_mlp(), "top_k", budget=kd.Budget(macs=0.5))
    with pytest.raises(InvalidArgumentError, match="Choose k as that multiple"):
        kd.mask_model(_mlp(), "top_k", channel_multiple=8)


def test_mask_model_with_top_k_trains_summarizes_and_keeps_k_channels() -> None:
    masked = kd.mask_model(_mlp(), TopK(k=3), gate_regularizer="entropy")
    masked.compile("adam", "mse")
    x = RNG.normal(size=(16, 6)).astype("float32")
    masked.fit(x, x[:, :2], epochs=2, verbose=0)
    assert [int(gate.keep.sum()) for gate in kd.gates(masked)] == [3]
    assert kd.summary(masked, verbose=False).layers[0].units == (3, 8)


def test_top_k_of_a_wide_layer_is_quick_and_needs_no_loop_over_k() -> None:
    """800 x 500, k = 400: a tensor of rows, k and n would be 640 MB.

    Processor time, so that a busy machine does not fail it.
    """
    layer = kd.layers.MaskedDense(500, estimator=TopK(400), granularity="weight")
    x = RNG.normal(size=(8, 800)).astype("float32")
    model = keras.Sequential([keras.Input((800,)), layer])
    model.compile("sgd", "mse")
    y = np.zeros((8, 500), "float32")
    model.train_on_batch(x, y)
    began = time.process_time()
    model.train_on_batch(x, y)
    assert time.process_time() - began < 2.0
    assert set(layer.gate.keep.sum(axis=0).tolist()) == {400}
