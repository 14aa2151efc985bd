"""Runs .tflite models in LiteRT's own interpreter."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_diffmask.errors import (
    ArtifactError,
    InvalidArgumentError,
)
from keras_diffmask.export.litert import litert
from keras_diffmask.export.tensor_spec import TensorSpec

if TYPE_CHECKING:
    from keras_diffmask.export.artifact import Artifact


def make_interpreter(
    content: bytes, reference_kernels: bool = False, num_threads: int = 1
) -> Any:
    """Returns an `ai_edge_litert` interpreter for `content`, not yet allocated.

    Args:
        content: the bytes of a .tflite file.
        reference_kernels: plain kernels instead of optimised ones and XNNPACK.
        num_threads: threads the kernels may use.

    Raises:
        MissingDependencyError: ai-edge-litert is not installed.
        ArtifactError: LiteRT's verifier rejects the bytes.
    """
    runtime = litert("interpreter")
    resolvers = runtime.OpResolverType
    resolver = resolvers.BUILTIN_REF if reference_kernels else resolvers.AUTO
    try:
        return runtime.Interpreter(
            model_content=content,
            experimental_op_resolver_type=resolver,
            num_threads=num_threads,
        )
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "no text"
        raise ArtifactError(
            "a .tflite model that LiteRT accepts",
            f"{len(content)} bytes it rejects ({reason})",
            "Copy or export the file again.",
        ) from error


def check_loads(content: bytes) -> None:
    """Raises `ArtifactError` when LiteRT's verifier rejects `content`."""
    make_interpreter(content)


def run_batch(
    artifact: "Artifact", x: Any, reference_kernels: bool, num_threads: int
) -> tuple[np.ndarray, ...]:
    """Runs every example of `x`; see `Artifact.run`."""
    arrays = _match_inputs(artifact.inputs, x)
    interpreter = make_interpreter(artifact.content, reference_kernels, num_threads)
    interpreter.allocate_tensors()
    input_ids = [d["index"] for d in interpreter.get_input_details()]
    output_ids = [d["index"] for d in interpreter.get_output_details()]
    results: list[list[np.ndarray]] = [[] for _ in output_ids]
    for k in range(len(arrays[0])):
        if artifact.stateful:
            interpreter.reset_all_variables()
        for index, spec, array in zip(input_ids, artifact.inputs, arrays, strict=True):
            interpreter.set_tensor(index, spec.quantize(array[k : k + 1]))
        interpreter.invoke()
        for collected, index in zip(results, output_ids, strict=True):
            collected.append(interpreter.get_tensor(index))
    return tuple(
        spec.dequantize(
            np.concatenate(rows) if rows else np.empty((0, *spec.shape[1:]), spec.dtype)
        )
        for spec, rows in zip(artifact.outputs, results, strict=True)
    )


def _match_inputs(specs: tuple[TensorSpec, ...], x: Any) -> list[np.ndarray]:
    names = [spec.name for spec in specs]
    if isinstance(x, Mapping):
        if set(x) != set(names):
            raise InvalidArgumentError(
                f"x to have the keys {names}", f"the keys {list(x)}", "Rename them."
            )
        values = [x[name] for name in names]
    elif len(specs) == 1:
        values = list(x) if isinstance(x, (list, tuple)) and len(x) == 1 else [x]
    else:
        values = list(x) if isinstance(x, (list, tuple)) else [x]
    if len(values) != len(specs):
        raise InvalidArgumentError(
            f"{len(specs)} input arrays ({', '.join(names)})",
            f"{len(values)}",
            "Pass a list with one array per input.",
        )
    arrays = [np.asarray(value) for value in values]
    for spec, array in zip(specs, arrays, strict=True):
        if array.ndim != len(spec.shape) or array.shape[1:] != spec.shape[1:]:
            shape = ", ".join(str(size) for size in ("n", *spec.shape[1:]))
            raise InvalidArgumentError(
                f"x of shape ({shape}) for input '{spec.name}'",
                f"shape {array.shape}",
                "Pass a batch of examples, preprocessed as for training.",
            )
    if len({len(array) for array in arrays}) > 1:
        raise InvalidArgumentError(
            "the same number of examples for every input",
            f"{[len(array) for array in arrays]}",
            "Cut the arrays to one length.",
        )
    return arrays
