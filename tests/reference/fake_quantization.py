"""NumPy oracle of fake quantization, written from TFLite's specification."""

import numpy as np


def symmetric(w: np.ndarray, own: tuple[int, ...], bits: int) -> np.ndarray:
    """Weights as the device holds them: integers of -top..top, times a scale."""
    top = {8: 127, 4: 7}[bits]
    result = np.zeros_like(w)
    own = tuple(axis % w.ndim for axis in own)
    for index in np.ndindex(*(w.shape[a] if a in own else 1 for a in range(w.ndim))):
        part = tuple(i if a in own else slice(None) for a, i in enumerate(index))
        largest = np.abs(w[part]).max()
        if largest > 0:
            scale = largest / top
            result[part] = np.rint(w[part] / scale) * scale
    return result


def nudged(low: float, high: float) -> tuple[float, int]:
    """Scale and zero point (of unsigned integers 0..255) of a range."""
    scale = (high - low) / 255
    return scale, int(min(max(np.rint(-low / scale), 0), 255))


def asymmetric(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Activations as the device holds them."""
    scale, zero = nudged(low, high)
    integers = np.clip(np.rint(x / scale) + zero, 0, 255)
    return (integers - zero) * scale


def passes(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """The surrogate gradient: 1 where nothing is clipped."""
    scale, zero = nudged(low, high)
    return ((x >= -zero * scale) & (x <= (255 - zero) * scale)).astype(x.dtype)
