"""What all networks in torch have in common: Keras' ways, its weights, and MACs.

What the two frameworks do differently by default is done here as in Keras: the
padding of strided convolutions, epsilon and momentum of the normalization, and
where weights start, since these come from the Keras network. One difference is
left: torch follows the unbiased variance of a batch, Keras the biased one, which
differ by 1 part in as many as a channel has values in a batch.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

#: Epsilon, and how much of the running statistics a batch replaces.
EPSILON, MOMENTUM = 1e-3, 0.01


class Network(nn.Module):
    """A network whose last layer is `dense`."""

    dense: nn.Linear

    def layers(self) -> Iterator[nn.Module]:
        """The layers with weights, in the order in which Keras lists them."""
        raise NotImplementedError


def norm(channels: int) -> nn.BatchNorm2d:
    """Keras' BatchNormalization."""
    return nn.BatchNorm2d(channels, eps=EPSILON, momentum=MOMENTUM)


def padded(x: torch.Tensor, kernel: tuple[int, int], stride: int) -> torch.Tensor:
    """Images with the zeros around them that Keras' "same" puts there.

    Args:
        x: (batch, channels, height, width).
        kernel: its height and width.
        stride: of the convolution.
    """
    height, width = (
        _padding(size, extent, stride)
        for size, extent in zip(x.shape[2:], kernel, strict=True)
    )
    return nn.functional.pad(x, (*width, *height))


def _padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after, of which the odd one comes after."""
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def load(network: Network, weights: list[np.ndarray]) -> None:
    """Gives a network the weights of the Keras one.

    Args:
        network: of the same widths.
        weights: in Keras' order and layout.
    """
    given = iter(weights)
    with torch.no_grad():
        for layer in network.layers():
            for tensor in _tensors(layer):
                tensor.copy_(torch.from_numpy(_turned(next(given), layer)))


def weights_of(network: Network) -> list[np.ndarray]:
    """The weights of a network, pruned or not, in Keras' order and layout."""
    return [
        _turned(tensor.detach().cpu().numpy(), layer, back=True)
        for layer in network.layers()
        for tensor in _tensors(layer)
    ]


def _tensors(layer: nn.Module) -> list[torch.Tensor]:
    """In the order in which Keras lists them."""
    if isinstance(layer, nn.BatchNorm2d):
        return [layer.weight, layer.bias, layer.running_mean, layer.running_var]
    return [layer.weight] if layer.bias is None else [layer.weight, layer.bias]


def _turned(array: np.ndarray, layer: nn.Module, back: bool = False) -> np.ndarray:
    """Kernels from (height, width, inputs, outputs) to (outputs, inputs, ...).

    Of a depthwise one, Keras has the channels where inputs stand, torch where
    outputs do.
    """
    if array.ndim == 4 and layer.groups > 1:
        array = array.transpose((2, 3, 0, 1))
    elif array.ndim == 4:
        array = array.transpose((2, 3, 1, 0) if back else (3, 2, 0, 1))
    elif array.ndim == 2:
        array = array.T
    return np.ascontiguousarray(array)


def count_macs(network: nn.Module, image: torch.Tensor) -> int:
    """Multiply-accumulates for one image, of convolutions and Dense layers."""
    counts = []

    def count(layer: nn.Module, _: object, outputs: torch.Tensor) -> None:
        # Each value of a channel takes that channel's part of the kernel.
        counts.append(layer.weight[0].numel() * outputs.numel())

    counted = (nn.Conv2d, nn.Linear)
    hooks = [
        layer.register_forward_hook(count)
        for layer in network.modules()
        if isinstance(layer, counted)
    ]
    was_training = network.training
    with torch.no_grad():
        network.eval()(image)
    network.train(was_training)
    for hook in hooks:
        hook.remove()
    return sum(counts)
