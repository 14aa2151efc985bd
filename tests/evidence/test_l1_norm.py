"""L1 norms of whatever the units of a gate write, against sums written out."""

import keras
import numpy as np
import pytest

from keras_diffmask import export, gates, mask_model
from keras_diffmask.export.evidence.families import DS_CNN, TWO_LSTM
from keras_diffmask.export.evidence.pruning.l1_norm import l1_norms, prune_by_l1_norm


def _weights(model: keras.Model) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(weight) for weight in model.weights]


def test_of_a_convolution_its_filters_and_not_the_depthwise_kernel_behind() -> None:
    keras.utils.set_random_seed(0)
    model = DS_CNN.at_widths([3, 4, 5, 6, 7], (9, 6, 1), 2)
    kernels = [weight for weight in _weights(model) if weight.ndim == 4][::2]
    norms = l1_norms(mask_model(model, "straight_through"))
    assert [len(norm) for norm in norms.values()] == [3, 4, 5, 6, 7]
    for norm, kernel in zip(norms.values(), kernels, strict=True):
        np.testing.assert_allclose(norm, np.abs(kernel).sum((0, 1, 2)), rtol=1e-5)


def test_of_an_lstm_the_columns_of_all_its_gates() -> None:
    keras.utils.set_random_seed(0)
    model = TWO_LSTM.at_widths([3, 5], (6, 4), 2)
    weights = _weights(model)
    norms = l1_norms(mask_model(model, "straight_through"))
    assert len(norms) == 2
    for norm, place in zip(norms.values(), (0, 3), strict=True):
        units = len(norm)
        expected = [
            sum(
                np.abs(kernel[:, gate * units + unit]).sum()
                for kernel in weights[place : place + 2]
                for gate in range(4)
            )
            for unit in range(units)
        ]
        np.testing.assert_allclose(norm, expected, rtol=1e-5)


@pytest.mark.parametrize(("family", "shape"), [(DS_CNN, (9, 6, 1)), (TWO_LSTM, (6, 4))])
def test_what_is_left_meets_the_budget(family, shape) -> None:
    keras.utils.set_random_seed(0)
    masked = mask_model(family.network(shape, 3), "straight_through")
    prune_by_l1_norm(masked, 0.3)
    before, after = export.plan(masked).macs
    assert 0.25 * before < after <= 0.3 * before
    shares = [gate.keep.mean() for gate in gates(masked)]
    assert max(shares) - min(shares) < 1 / 32, "the same part of every layer"
