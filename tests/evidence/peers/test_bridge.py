"""From a peer's weights to the Keras model with the same outputs, and back."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_diffmask import export
from keras_diffmask.export.benchmarking.networks import resnet8
from keras_diffmask.export.evidence.families import DS_CNN, RESNET8
from tests.evidence.peers.examples import WIDTHS, pruned, whole, with_statistics
from tests.evidence.peers.numpy_resnet8 import forward

SHAPES = [(8, 8, 1), (7, 10, 3)]


def _images(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(2).random((4, *shape), np.float32)


def _outputs(model: keras.Model, x: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(x, training=False))


def test_twin_of_all_channels_is_the_resnet8() -> None:
    model = resnet8((8, 8, 1), 3)
    twin = RESNET8.with_weights((8, 8, 1), 3, model.get_weights())

    def plain(one: keras.Model) -> list[tuple]:
        """Layers and their settings, but for names and seeds, which are new."""
        left_out = ("name", "kernel_initializer")
        return [
            (
                type(layer).__name__,
                {k: v for k, v in layer.get_config().items() if k not in left_out},
            )
            for layer in one.layers
        ]

    assert plain(twin) == plain(model)
    for ours, theirs in zip(twin.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("shape", SHAPES)
def test_twin_of_a_pruned_network(shape: tuple[int, ...]) -> None:
    model, x = pruned(shape), _images(shape)
    twin = RESNET8.with_weights(shape, 3, model.get_weights())
    filters = [layer.filters for layer in twin.layers if hasattr(layer, "filters")]
    (a, b), (c, d), (e, f) = WIDTHS
    assert filters == [b, a, b, c, d, d, e, f, f]
    oracle = forward(x, model.get_weights())
    np.testing.assert_allclose(_outputs(twin, x), oracle, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_torch_computes_what_keras_does(shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    from keras_diffmask.export.evidence.peers.torch_resnet8 import ResNet8

    model, x = whole(shape), _images(shape)
    oracle = forward(x, model.get_weights())
    _require_the_same(ResNet8(shape[-1], 3), model, x, oracle, torch)


@pytest.mark.parametrize("shape", [(11, 6, 1), (49, 10, 1), (8, 7, 2)])
def test_torch_computes_what_a_ds_cnn_does(shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    from keras_diffmask.export.evidence.peers.torch_ds_cnn import DsCnn

    model, x = with_statistics(DS_CNN.network(shape, 3)), _images(shape)
    network = DsCnn(shape[-1], 3)
    _require_the_same(network, model, x, _outputs(model, x), torch)


def _require_the_same(
    network: Any, model: keras.Model, x: np.ndarray, oracle: np.ndarray, torch: Any
) -> None:
    """Outputs, MACs, and the weights on the way back."""
    from keras_diffmask.export.evidence.peers import torch_layers

    torch_layers.load(network, model.get_weights())
    network.eval()
    with torch.no_grad():
        images = torch.from_numpy(x).permute(0, 3, 1, 2)
        found = network(images).numpy()
        macs = torch_layers.count_macs(network, images[:1])
    np.testing.assert_allclose(found, oracle, rtol=1e-4, atol=1e-4)
    assert macs == export.plan(model).macs[0]
    back = torch_layers.weights_of(network)
    for ours, theirs in zip(back, model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_torch_trains_as_keras_does() -> None:
    """One step with the same batch: weights and statistics follow alike."""
    torch = pytest.importorskip("torch")
    from keras_diffmask.export.evidence.peers import torch_layers
    from keras_diffmask.export.evidence.peers.torch_resnet8 import ResNet8

    x, y = _images((8, 8, 1)), np.array([0, 1, 2, 1])
    model = resnet8((8, 8, 1), 3)
    network = ResNet8(1, 3)
    torch_layers.load(network, model.get_weights())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # SGD, for a step of Adam is as long where a gradient is all noise.
    model.compile(keras.optimizers.SGD(0.1), loss, run_eagerly=True)
    model.train_on_batch(x, y)
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    images = torch.from_numpy(x).permute(0, 3, 1, 2)
    nn = torch.nn.functional
    nn.cross_entropy(network.train()(images), torch.from_numpy(y)).backward()
    optimizer.step()
    after = torch_layers.weights_of(network)
    for ours, theirs in zip(after, model.get_weights(), strict=True):
        # Of a variance of 16 values, the unbiased one is 1/15 larger: x 0.01.
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)
