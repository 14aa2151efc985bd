"""Int8 models in TFLM's own interpreter, with every tensor to be read."""

from types import ModuleType

import numpy as np

from keras_diffmask.export.dependencies import missing_tflm

#: Bytes of arena: far more than the networks here need with all tensors kept.
_ARENA = 1 << 21


def runtime() -> ModuleType:
    """Imports TFLM's interpreter.

    Raises:
        MissingDependencyError: tflite-micro is not installed.
    """
    try:
        from tflite_micro.python.tflite_micro import runtime as found
    except ImportError as error:
        raise missing_tflm() from error
    return found


class Tflm:
    """A model of one input and one output.

    Args:
        content: the bytes of a .tflite file.

    Raises:
        MissingDependencyError: tflite-micro is not installed.
    """

    def __init__(self, content: bytes) -> None:
        module = runtime()
        self._interpreter = module.Interpreter.from_bytes(
            content,
            arena_size=_ARENA,
            # Sic. Without it the planner lays one tensor over another.
            intrepreter_config=module.InterpreterConfig.kPreserveAllTensors,
        )

    def reset(self) -> None:
        """Forgets the state."""
        self._interpreter.reset()

    def call(self, integers: np.ndarray) -> np.ndarray:
        """The output for one input, both as integers."""
        self._interpreter.set_input(integers, 0)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_output(0))

    def read(self, tensor: int) -> np.ndarray:
        """The value of a tensor after a call."""
        return np.asarray(self._interpreter.GetTensor(tensor, 0)["tensor_data"])
