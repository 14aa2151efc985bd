"""One input or output of a .tflite file, and the arithmetic of its integers."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TensorSpec:
    """Name, shape, type and quantization of one input or output.

    real value = scale * (integer - zero_point)

    Args:
        name: what the Keras model calls it (`output_0`, ... for outputs).
        shape: with the batch dimension, which is 1.
        dtype: a NumPy type name, such as "int8" or "float32".
        scale: real size of one integer step; None when not quantized.
        zero_point: the integer that stands for 0.0; None when not quantized.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None = None
    zero_point: int | None = None

    def __str__(self) -> str:
        text = f"'{self.name}' {self.shape} {self.dtype}"
        if self.scale is None:
            return text
        return f"{text}, scale {self.scale:.6g}, zero point {self.zero_point}"

    def quantize(self, x: np.ndarray) -> np.ndarray:
        """Turns real values into what the device is fed.

        Args:
            x: real values, any shape.

        Returns:
            The nearest integers of `dtype`, clipped to its range; or `x` in
            `dtype` when the tensor is not quantized.
        """
        x = np.asarray(x)
        if self.scale is None or self.zero_point is None:
            return x.astype(self.dtype)
        # Round, then clip: a cast alone truncates, and wraps out-of-range values.
        info = np.iinfo(self.dtype)
        steps = np.round(x / np.float32(self.scale)) + self.zero_point
        return np.clip(steps, info.min, info.max).astype(self.dtype)

    def dequantize(self, q: np.ndarray) -> np.ndarray:
        """Turns what the device answers into real values.

        Args:
            q: values of `dtype`, any shape.

        Returns:
            float32 values; or `q` itself when the tensor is not quantized.
        """
        if self.scale is None or self.zero_point is None:
            return np.asarray(q)
        return (q.astype(np.float32) - self.zero_point) * np.float32(self.scale)
