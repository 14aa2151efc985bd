"""Runs one model in the emulated process; needs numpy and ai_edge_litert only.

    python guest.py JOB KERNELS RUNS RESOURCES

`JOB` is a folder with `model.tflite` and `inputs.npz` (`x0`, `x1`, ... with one
example per row); `outputs.npz` is written there. `RESOURCES` is 1 where the model
has resource variables. This file is given to another
Python by its path, so it imports nothing of the library it lies in. The host
asks its own interpreter with `answers`, too: both are asked alike.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

#: Kernels -> LiteRT's name of what brings them.
RESOLVERS = {"xnnpack": "AUTO", "reference": "BUILTIN_REF"}


def answers(
    interpreter: Any,
    columns: list[np.ndarray],
    renew: Callable[[], Any] | None = None,
) -> list[np.ndarray]:
    """What an interpreter answers to every example.

    Args:
        interpreter: LiteRT's, allocated.
        columns: one array per input, an example per row.
        renew: makes another one for each further example; for a model with resource
            variables, which no reset reaches.

    Returns:
        One array per output.
    """
    inputs = [detail["index"] for detail in interpreter.get_input_details()]
    outputs = [detail["index"] for detail in interpreter.get_output_details()]
    found: list[list[np.ndarray]] = [[] for _ in outputs]
    for row in range(len(columns[0])):
        # An LSTM keeps its state from one call to the next.
        interpreter.reset_all_variables()
        if renew is not None and row:
            interpreter = renew()
        for index, column in zip(inputs, columns, strict=True):
            interpreter.set_tensor(index, column[row : row + 1])
        interpreter.invoke()
        for answer, index in zip(found, outputs, strict=True):
            answer.append(interpreter.get_tensor(index))
    return [np.concatenate(answer) for answer in found]


def main(job: str, kernels: str, runs: str, resources: str) -> None:
    """Answers every example, then marks `runs` invocations for the counter."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    # No file system mapping: the model goes in as bytes, as it does on the host.
    with open(os.path.join(job, "model.tflite"), "rb") as file:
        content = file.read()

    def start() -> Any:
        made = Interpreter(
            model_content=content,
            experimental_op_resolver_type=OpResolverType[RESOLVERS[kernels]],
            num_threads=1,
        )
        made.allocate_tensors()
        return made

    interpreter = start()
    with np.load(os.path.join(job, "inputs.npz")) as given:
        columns = [given[f"x{k}"] for k in range(len(given.files))]
    found = answers(interpreter, columns, start if resources == "1" else None)
    for _ in range(int(runs)):
        interpreter.reset_all_variables()
        # A system call that does nothing: the plugin writes its counter down.
        os.getppid()
        interpreter.invoke()
        os.getppid()
    arrays: dict[str, Any] = {f"y{k}": answer for k, answer in enumerate(found)}
    np.savez(os.path.join(job, "outputs.npz"), **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
