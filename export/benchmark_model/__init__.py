"""Google's two tools named `benchmark_model`: finding, calling and reading them.

The classic one runs a file in the `Interpreter`, the newer one as LiteRT's
`CompiledModel`. They share the name and most flags, and write different things;
which one it is shows only in what it writes.
"""

from keras_diffmask.export.benchmark_model.binary import Binary, find_binary
from keras_diffmask.export.benchmark_model.figures import (
    COMPILED_MODEL,
    INTERPRETER,
    Figures,
)
from keras_diffmask.export.benchmark_model.flags import DELEGATES, Request, spelled
from keras_diffmask.export.benchmark_model.ops import OpRow, read_ops
from keras_diffmask.export.benchmark_model.proto import read_result
from keras_diffmask.export.benchmark_model.text import read_output

__all__ = [
    "COMPILED_MODEL",
    "DELEGATES",
    "INTERPRETER",
    "Binary",
    "Figures",
    "OpRow",
    "Request",
    "find_binary",
    "read_ops",
    "read_output",
    "read_result",
    "spelled",
]
