"""Runs .tflite models in LiteRT's own interpreter."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_diffmask.errors import (
    ArtifactError,
    InvalidArgumentError,
)
from keras_diffmask.export.flatbuffer import read_subgraphs
from keras_diffmask.export.litert import litert
from keras_diffmask.export.tensor_spec import TensorSpec

if TYPE_CHECKING:
    from keras_diffmask.export.artifact import Artifact

#: Operators on variables that `reset_all_variables` does not know.
RESOURCE_OPS = ("VAR_HANDLE", "READ_VARIABLE")


def make_interpreter(
    content: bytes,
    reference_kernels: bool = False,
    num_threads: int = 1,
    preserve: bool = False,
) -> Any:
    """Returns an `ai_edge_litert` interpreter for `content`, not yet allocated.

    Args:
        content: the bytes of a .tflite file.
        reference_kernels: plain kernels instead of optimised ones and XNNPACK.
        num_threads: threads the kernels may use.
        preserve: keep every tensor readable after an invocation.

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
            experimental_preserve_all_tensors=preserve,
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


def has_resources(content: bytes) -> bool:
    """Whether a .tflite file keeps resource variables from call to call."""
    return any(
        op.name in RESOURCE_OPS for graph in read_subgraphs(content) for op in graph.ops
    )


def reset(artifact: "Artifact", interpreter: Any, start: Callable[[], Any]) -> Any:
    """An interpreter in its first state.

    Args:
        artifact: its model.
        interpreter: one that may have run before.
        start: makes another, allocated.

    Returns:
        `interpreter`, its variable tensors reset; another one where the model has
        resource variables, which only end with the interpreter.
    """
    if artifact.has_resources:
        return start()
    if artifact.stateful:
        interpreter.reset_all_variables()
    return interpreter


def run_batch(
    artifact: "Artifact", x: Any, reference_kernels: bool, num_threads: int
) -> tuple[np.ndarray, ...]:
    """Runs every example of `x`; see `Artifact.run`."""
    arrays = match_inputs(artifact, x)
    for spec, array in zip(artifact.inputs, arrays, strict=True):
        spec.check_values(array)
    # What one invocation takes of an example: a step of a streaming model.
    steps = range(arrays[0].shape[1]) if artifact.streaming else range(1)

    def start() -> Any:
        made = make_interpreter(artifact.content, reference_kernels, num_threads)
        made.allocate_tensors()
        return made

    interpreter = start()
    input_ids = [d["index"] for d in interpreter.get_input_details()]
    output_ids = [d["index"] for d in interpreter.get_output_details()]
    results: list[list[np.ndarray]] = [[] for _ in output_ids]
    for k in range(len(arrays[0])):
        interpreter = reset(artifact, interpreter, start)
        rows = [
            spec.quantize(array[k : k + 1])
            for spec, array in zip(artifact.inputs, arrays, strict=True)
        ]
        for t in steps:
            for index, row in zip(input_ids, rows, strict=True):
                part = row[:, t : t + 1] if artifact.streaming else row
                interpreter.set_tensor(index, part)
            interpreter.invoke()
            for collected, index in zip(results, output_ids, strict=True):
                collected.append(interpreter.get_tensor(index))
    return tuple(
        spec.dequantize(join_answers(spec, answers, len(steps), artifact.streaming))
        for spec, answers in zip(artifact.outputs, results, strict=True)
    )


def join_answers(
    spec: TensorSpec,
    answers: Sequence[np.ndarray] | np.ndarray,
    steps: int,
    streaming: bool,
) -> np.ndarray:
    """Stacks the answers of all invocations to (n, ...), or (n, steps, ...)."""
    sizes = spec.shape[1:]
    if streaming:
        # Of a sequence the file gives one step, whose axis is there already.
        sizes = sizes[1:] if len(sizes) > 1 and sizes[0] == 1 else sizes
        sizes = (steps, *sizes)
    if not len(answers):
        return np.empty((0, *sizes), spec.dtype)
    return np.concatenate(answers).reshape((-1, *sizes))


def match_inputs(artifact: "Artifact", x: Any) -> list[np.ndarray]:
    """One array of examples per input, in the artifact's order.

    Args:
        artifact: the model.
        x: see `Artifact.run`.

    Raises:
        InvalidArgumentError: `x` does not fit the inputs.
    """
    specs = artifact.inputs
    names = [spec.name for spec in specs]
    if isinstance(x, Mapping):
        if set(x) != set(names):
            raise InvalidArgumentError(
                f"x to have the keys {names}", f"the keys {list(x)}", "Rename them."
            )
        values = [x[name] for name in names]
    elif len(specs) == 1:
        values = list(x) if _holds_a_batch(x, specs[0]) else [x]
    else:
        values = list(x) if isinstance(x, (list, tuple)) else [x]
    if len(values) != len(specs):
        raise InvalidArgumentError(
            f"{len(specs)} input arrays ({', '.join(names)})",
            f"{len(values)}",
            "Pass a list with one array per input.",
        )
    arrays = list(map(_as_array, specs, values))
    for spec, array in zip(specs, arrays, strict=True):
        # The steps of a streaming model: any number of them.
        free = 2 if artifact.streaming else 1
        if array.ndim != len(spec.shape) or array.shape[free:] != spec.shape[free:]:
            sizes = ("n", "steps")[:free] + tuple(map(str, spec.shape[free:]))
            shape = ", ".join(sizes)
            raise InvalidArgumentError(
                f"x of shape ({shape}) for input '{spec.name}'",
                f"shape {array.shape}",
                "Pass a batch of examples, preprocessed as for training.",
            )
    if len({array.shape[:free] for array in arrays}) > 1:
        raise InvalidArgumentError(
            "the same number of examples for every input",
            f"{[len(array) for array in arrays]}",
            "Cut the arrays to one length.",
        )
    return arrays


def _holds_a_batch(x: Any, spec: TensorSpec) -> bool:
    """Whether `x` is a list of one array of examples, and not of one example."""
    if not isinstance(x, (list, tuple)) or len(x) != 1:
        return False
    return _as_array(spec, x[0]).ndim != len(spec.shape) - 1


def _as_array(spec: TensorSpec, value: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:  # rows of different lengths, say
        raise InvalidArgumentError(
            f"an array for input '{spec.name}'",
            f"a {type(value).__name__} that is none ({error})",
            "Pass a NumPy array.",
        ) from error
    if array.dtype.kind not in "biuf":
        spec.check_values(array)
    return array
