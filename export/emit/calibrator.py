"""Repairs TensorFlow's calibrator. Imported in the child process only."""

from typing import Any

from keras_diffmask.export.emit.cell_state import remove_cell_clip


def reset_state_between_sequences(calls: int = 1) -> None:
    """Makes the calibrator forget LSTM state before every sequence.

    TensorFlow 2.21 feeds the calibration set as if it were one long sequence:
    the same example fed 100 times doubles the hidden state's range and makes
    the cell state's 16 times larger. Preparing again resets the variables and
    keeps the statistics. Semi-private: a test tells when it stops working.

    Args:
        calls: how many examples in a row are one sequence.
    """
    from tensorflow.lite.python.interpreter import Interpreter
    from tensorflow.lite.python.optimize.calibrator import Calibrator

    def feed(self: Any, dataset_gen: Any, resize_input: bool) -> None:
        for number, sample in enumerate(dataset_gen()):
            if isinstance(sample, dict):
                if self._interpreter is None:
                    self._interpreter = Interpreter(model_content=self._model_content)
                arrays = self._create_input_array_from_dict(None, sample)
            else:
                arrays = sample
            if number % calls == 0:
                self._calibrator.Prepare([list(array.shape) for array in arrays])
            self._calibrator.FeedTensor(arrays)

    Calibrator._feed_tensors = feed


def measure_without_cell_clip() -> None:
    """Makes the calibrator run LSTMs without the converter's limit on their state.

    Or else no cell state is seen beyond it, and the int8 file has no range there.
    """
    from tensorflow.lite.python.optimize.calibrator import Calibrator

    plain = Calibrator.__init__
    if hasattr(plain, "without_clip"):
        return

    def start(self: Any, model_content: bytes, *arguments: Any) -> None:
        plain(self, remove_cell_clip(model_content), *arguments)

    start.without_clip = True  # type: ignore[attr-defined]
    Calibrator.__init__ = start
