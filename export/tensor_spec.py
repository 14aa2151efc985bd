"""One input or output of a .tflite file, and the arithmetic of its integers."""

from dataclasses import dataclass

import numpy as np

from keras_diffmask.errors import InvalidArgumentError


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

        Raises:
            InvalidArgumentError: `x` is no numbers, or NaN where integers are
                wanted.
        """
        x = np.asarray(x)
        self.check_values(x)
        if self.scale is None or self.zero_point is None:
            return x.astype(self.dtype)
        # Round, then clip: a cast alone truncates, and wraps out-of-range values.
        info = np.iinfo(self.dtype)
        steps = np.round(x / np.float32(self.scale)) + self.zero_point
        return np.clip(steps, info.min, info.max).astype(self.dtype)

    def check_values(self, x: np.ndarray) -> None:
        """Raises `InvalidArgumentError` for what no value of `dtype` stands for."""
        # NumPy's kind of bfloat16, which numbers come in as well, is that of records.
        if x.dtype.kind not in "biuf" and x.dtype.name != "bfloat16":
            raise InvalidArgumentError(
                f"real numbers for '{self.name}'",
                f"values of type {x.dtype.name}",
                "Convert them to float32.",
            )
        # A cast makes some plausible integer of NaN. Infinity is clipped.
        is_real = self.dtype.startswith("float")
        if not is_real and x.dtype.kind not in "biu" and np.isnan(x).any():
            raise InvalidArgumentError(
                f"numbers for '{self.name}', which are made {self.dtype}",
                f"NaN in {int(np.isnan(x).sum())} of {x.size} places",
                "Replace them, or leave these examples out.",
            )

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
