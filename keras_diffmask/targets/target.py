"""What the exporter has to know of a device, as data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A device the exporter can write for.

    Args:
        name: what the user writes, as in `to_tflite(..., target="cortex-m")`.
        allowed_ops: names of the TFLite built-in operators the device's runtime
            has; None means all of them.
        per_channel_dense: whether int8 Dense kernels get one scale per output
            unit (finer) or one per kernel.

    Example:

    ```python
    from keras_diffmask.targets import Target

    camera = Target("camera", frozenset({"CONV_2D", "RESHAPE", "FULLY_CONNECTED"}))
    artifact = export.to_tflite(model, "int8", calibration=x, target=camera)
    ```
    """

    name: str
    allowed_ops: frozenset[str] | None = None
    per_channel_dense: bool = True

    def missing_ops(self, ops: tuple[str, ...]) -> tuple[str, ...]:
        """Returns those of `ops` the device has no kernel for, in order, once."""
        if self.allowed_ops is None:
            return ()
        return tuple(dict.fromkeys(op for op in ops if op not in self.allowed_ops))
