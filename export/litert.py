"""LiteRT's Python package, which is an extra."""

import importlib
from types import ModuleType

from keras_diffmask.errors import MissingDependencyError


def litert(module: str) -> ModuleType:
    """Imports `ai_edge_litert.<module>`.

    Raises:
        MissingDependencyError: ai-edge-litert is not installed.
    """
    try:
        return importlib.import_module(f"ai_edge_litert.{module}")
    except ImportError as error:
        raise MissingDependencyError(
            "ai-edge-litert to be installed",
            "an environment without it",
            "Install it with `pip install ai-edge-litert`.",
        ) from error
