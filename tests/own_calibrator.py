"""TensorFlow's calibrator for tests that convert in their own process.

The exporter's repair patches its class for good: right in a child, not in a test.
"""

import importlib
from typing import Any

from tensorflow.lite.python.optimize import calibrator


def give(monkeypatch: Any) -> None:
    """A class of the test's own, as TensorFlow has it, until `monkeypatch` ends."""
    monkeypatch.setattr(calibrator, "Calibrator", calibrator.Calibrator)
    importlib.reload(calibrator)
