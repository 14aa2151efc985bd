"""How far a .tflite file was from the Keras model when it was written."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Agreement:
    """How far the .tflite file was from the Keras model when it was written.

    Args:
        samples: number of examples compared.
        max_error: largest absolute difference over all outputs.
        rms_error: root mean square of the differences of one output: of several
            that where it is the largest part of what the Keras model answers.
        rms_output: root mean square of that output of the Keras model.
    """

    samples: int
    max_error: float
    rms_error: float
    rms_output: float

    @property
    def relative_error(self) -> float:
        """`rms_error / rms_output`; 0.05 is the budget of an int8 file."""
        if self.rms_output == 0.0:
            return 0.0 if self.rms_error == 0.0 else float("inf")
        return self.rms_error / self.rms_output
