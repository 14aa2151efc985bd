"""The ResNet-8 of `benchmarking.networks` in torch, weights from Keras and back.

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
#: Channels of each block, and the stride it starts with.
STAGES = ((16, 1), (32, 2), (64, 2))


class ResNet8(nn.Module):
    """The network at full width.

    Args:
        channels: of the images.
        classes: number of outputs; they are logits.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        before = STAGES[0][0]
        self.stem = nn.Conv2d(channels, before, 3, padding=1)
        self.stem_norm = _norm(before)
        blocks = []
        for filters, stride in STAGES:
            blocks.append(_Block(before, filters, stride))
            before = filters
        self.blocks = nn.ModuleList(blocks)
        self.dense = nn.Linear(before, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of images (batch, channels, height, width)."""
        x = torch.relu(self.stem_norm(self.stem(x)))
        for block in self.blocks:
            x = block(x)
        return self.dense(x.mean(dim=(2, 3)))

    def layers(self) -> Iterator[nn.Module]:
        """The layers with weights, in the order in which Keras lists them."""
        yield from (self.stem, self.stem_norm)
        for block in self.blocks:
            yield from (block.first, block.first_norm, block.second)
            if block.skip is not None:
                yield block.skip
            yield block.second_norm
        yield self.dense


class _Block(nn.Module):
    def __init__(self, before: int, filters: int, stride: int) -> None:
        super().__init__()
        # A strided one is padded in `forward`, by the size of its input.
        padding = 1 if stride == 1 else 0
        self.first = nn.Conv2d(before, filters, 3, stride, padding)
        self.first_norm = _norm(filters)
        self.second = nn.Conv2d(filters, filters, 3, padding=1)
        self.second_norm = _norm(filters)
        self.skip = nn.Conv2d(before, filters, 1, stride) if stride != 1 else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        padded, skipped = x, x
        if self.skip is not None:
            height, width = (_padding(size, 3, 2) for size in x.shape[2:])
            padded = nn.functional.pad(x, (*width, *height))
            skipped = self.skip(x)
        y = torch.relu(self.first_norm(self.first(padded)))
        return torch.relu(skipped + self.second_norm(self.second(y)))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPSILON, momentum=MOMENTUM)


def _padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after, where Keras pads to the "same" size over stride."""
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def load(network: ResNet8, weights: list[np.ndarray]) -> None:
    """Gives a network the weights of the Keras one.

    Args:
        network: of the same widths.
        weights: in Keras' order and layout.
    """
    given = iter(weights)
    with torch.no_grad():
        for layer in network.layers():
            for tensor in _tensors(layer):
                tensor.copy_(torch.from_numpy(_turned(next(given))))


def weights_of(network: ResNet8) -> list[np.ndarray]:
    """The weights of a network, pruned or not, in Keras' order and layout."""
    return [
        _turned(tensor.detach().cpu().numpy(), back=True)
        for layer in network.layers()
        for tensor in _tensors(layer)
    ]


def _tensors(layer: nn.Module) -> list[torch.Tensor]:
    """In the order in which Keras lists them."""
    if isinstance(layer, nn.BatchNorm2d):
        return [layer.weight, layer.bias, layer.running_mean, layer.running_var]
    return [layer.weight, layer.bias]


def _turned(array: np.ndarray, back: bool = False) -> np.ndarray:
    """Kernels from (height, width, inputs, outputs) to (outputs, inputs, ...)."""
    if array.ndim == 4:
        axes = (2, 3, 1, 0) if back else (3, 2, 0, 1)
        array = array.transpose(axes)
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
