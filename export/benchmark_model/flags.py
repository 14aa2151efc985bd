"""The command line of either tool."""

import shlex
from dataclasses import dataclass

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.benchmark_model.figures import COMPILED_MODEL

#: What `benchmark(delegate=)` takes: XNNPACK, the GPU, or the plain kernels.
DELEGATES = ("cpu", "gpu", "none")


@dataclass(frozen=True)
class Request:
    """One run of the tool.

    Args:
        graph: name of the model's file on the device.
        threads: threads of the kernels.
        runs: timed inferences, at least.
        seconds: time for them, at least.
        most_seconds: time after which it stops, for them and for the warm-up.
        warmup: inferences before, at least.
        warmup_seconds: time for these, at least.
        delegate: one of `DELEGATES`.
        tool: which of the two it is; None before it has shown itself.
        result: file for the figures in binary form.
        memory: watch the memory, which disturbs the times.
        ops: file for the table of operations, which disturbs them too.
    """

    graph: str
    threads: int = 1
    runs: int = 50
    seconds: float = 1.0
    most_seconds: float = 150.0
    warmup: int = 1
    warmup_seconds: float = 0.5
    delegate: str = "cpu"
    tool: str | None = None
    result: str | None = None
    memory: bool = False
    ops: str | None = None

    def words(self) -> list[str]:
        """The flags.

        Raises:
            InvalidArgumentError: this tool cannot do without a delegate.
        """
        flags = [
            f"--graph={self.graph}",
            f"--num_threads={self.threads}",
            f"--num_runs={self.runs}",
            f"--min_secs={self.seconds:g}",
            f"--max_secs={self.most_seconds:g}",
            f"--warmup_runs={self.warmup}",
            f"--warmup_min_secs={self.warmup_seconds:g}",
            *self._delegate(),
        ]
        if self.result is not None:
            flags.append(f"--result_file_path={self.result}")
        if self.memory:
            flags.append("--report_peak_memory_footprint=true")
            flags.append("--memory_footprint_check_interval_ms=5")
        return flags + (self._profile(self.ops) if self.ops is not None else [])

    def _delegate(self) -> list[str]:
        if self.delegate == "gpu":
            return ["--use_gpu=true"]
        if self.tool == COMPILED_MODEL:
            if self.delegate == "none":
                raise InvalidArgumentError(
                    'delegate="cpu" or "gpu" with LiteRT\'s CompiledModel tool',
                    'delegate="none"',
                    "Take the classic benchmark_model for the plain kernels.",
                )
            return ["--use_cpu=true"]
        # Explicitly, though it is the default: only then does the tool say
        # whether XNNPACK has taken the whole model.
        return [f"--use_xnnpack={'true' if self.delegate == 'cpu' else 'false'}"]

    def _profile(self, file: str) -> list[str]:
        if self.tool == COMPILED_MODEL:
            return ["--use_profiler=true"]
        return [
            "--enable_op_profiling=true",
            "--op_profiling_output_mode=csv",
            f"--op_profiling_output_file={file}",
        ]


def spelled(folder: str, request: Request, cores: str | None = None) -> str:
    """The line for the device's shell, every word of it quoted.

    Args:
        folder: where the tool and the models are.
        request: what to run.
        cores: mask of the cores to run on, in hexadecimal.

    Returns:
        A line that works from any folder.
    """
    pinned = ["taskset", cores] if cores is not None else []
    words = [*pinned, "./benchmark_model", *request.words()]
    return f"cd {shlex.quote(folder)} && {shlex.join(words)}"
