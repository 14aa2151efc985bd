"""The ResNet-8 of `benchmarking.networks` in torch."""

from collections.abc import Iterator

import torch
from torch import nn

from keras_diffmask.export.evidence.peers.torch_layers import Network, norm, padded

#: Channels of each block, and the stride it starts with.
STAGES = ((16, 1), (32, 2), (64, 2))


class ResNet8(Network):
    """The network at full width.

    Args:
        channels: of the images.
        classes: number of outputs; they are logits.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        before = STAGES[0][0]
        self.stem = nn.Conv2d(channels, before, 3, padding=1)
        self.stem_norm = norm(before)
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
        self.first_norm = norm(filters)
        self.second = nn.Conv2d(filters, filters, 3, padding=1)
        self.second_norm = norm(filters)
        self.skip = nn.Conv2d(before, filters, 1, stride) if stride != 1 else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        around, skipped = x, x
        if self.skip is not None:
            around, skipped = padded(x, (3, 3), 2), self.skip(x)
        y = torch.relu(self.first_norm(self.first(around)))
        return torch.relu(skipped + self.second_norm(self.second(y)))
