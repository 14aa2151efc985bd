"""The ResNet-8 in NumPy, out of its weights in Keras' order: an oracle."""

from collections.abc import Iterator

import numpy as np

EPSILON = 1e-3


def forward(x: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    """Logits of images (batch, height, width, channels), in double precision."""
    given = iter([weight.astype(np.float64) for weight in weights])
    x = _relu(_norm(_conv(x.astype(np.float64), given, 1), given))
    for stride in (1, 2, 2):
        y = _relu(_norm(_conv(x, given, stride), given))
        y = _conv(y, given, 1)
        # Keras lists the skip before the last normalization.
        skipped = _conv(x, given, stride) if stride == 2 else x
        x = _relu(skipped + _norm(y, given))
    kernel, bias = next(given), next(given)
    return x.mean(axis=(1, 2)) @ kernel + bias


def _relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def _norm(x: np.ndarray, given: Iterator[np.ndarray]) -> np.ndarray:
    gamma, beta, mean, variance = (next(given) for _ in range(4))
    return gamma * (x - mean) / np.sqrt(variance + EPSILON) + beta


def _conv(x: np.ndarray, given: Iterator[np.ndarray], stride: int) -> np.ndarray:
    kernel, bias = next(given), next(given)
    size = kernel.shape[0]
    outputs = [-(-length // stride) for length in x.shape[1:3]]
    lacking = [
        max((count - 1) * stride + size - length, 0)
        for count, length in zip(outputs, x.shape[1:3], strict=True)
    ]
    # The odd zero comes after: "same" padding as TensorFlow has it.
    around = [(total // 2, total - total // 2) for total in lacking]
    x = np.pad(x, [(0, 0), *around, (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), (1, 2))
    windows = windows[:, ::stride, ::stride][:, : outputs[0], : outputs[1]]
    return np.einsum("bhwcij,ijco->bhwo", windows, kernel) + bias
