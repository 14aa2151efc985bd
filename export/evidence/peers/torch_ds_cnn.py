"""The DS-CNN of `evidence.tiny.networks` in torch."""

from collections.abc import Iterator

import torch
from torch import nn

from keras_diffmask.export.evidence.peers.torch_layers import Network, norm, padded

WIDTH, BLOCKS = 64, 4
#: Of the first convolution, which takes every other step and feature.
KERNEL, STRIDE = (10, 4), 2


class DsCnn(Network):
    """The network at full width.

    Args:
        channels: of the input, one as a rule.
        classes: number of outputs; they are logits.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        # Padded in `forward`, by the size of its input.
        self.first = nn.Conv2d(channels, WIDTH, KERNEL, STRIDE, bias=False)
        self.first_norm = norm(WIDTH)
        self.blocks = nn.ModuleList(_Block() for _ in range(BLOCKS))
        self.dense = nn.Linear(WIDTH, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of features (batch, channels, steps, features)."""
        x = torch.relu(self.first_norm(self.first(padded(x, KERNEL, STRIDE))))
        for block in self.blocks:
            x = block(x)
        return self.dense(x.mean(dim=(2, 3)))

    def layers(self) -> Iterator[nn.Module]:
        """The layers with weights, in the order in which Keras lists them."""
        yield from (self.first, self.first_norm)
        for block in self.blocks:
            yield from (block.depthwise, block.depthwise_norm)
            yield from (block.pointwise, block.pointwise_norm)
        yield self.dense


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, groups=WIDTH, bias=False)
        self.depthwise_norm = norm(WIDTH)
        self.pointwise = nn.Conv2d(WIDTH, WIDTH, 1, bias=False)
        self.pointwise_norm = norm(WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.depthwise_norm(self.depthwise(x)))
        return torch.relu(self.pointwise_norm(self.pointwise(x)))
