"""A finished .tflite model: its bytes and what one must know to use them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_diffmask.atomic import write_atomically
from keras_diffmask.errors import ArtifactError
from keras_diffmask.export import artifact_text
from keras_diffmask.export.agreement import Agreement as Agreement
from keras_diffmask.export.arena import tflm_arena_bytes
from keras_diffmask.export.firmware import save_firmware
from keras_diffmask.export.flatbuffer import is_tflite, read_subgraphs, reading
from keras_diffmask.export.interpreter import RESOURCE_OPS, check_loads, run_batch
from keras_diffmask.export.kind import quantization_of, specs_of
from keras_diffmask.export.metadata import (
    Fingerprint,
    check_whole,
    fingerprint_of,
    is_streaming,
    labels_of,
)
from keras_diffmask.export.tensor_spec import TensorSpec

# Operators that keep variables from one invocation to the next.
_STATEFUL_OPS = ("UNIDIRECTIONAL_SEQUENCE_LSTM", "SVDF", *RESOURCE_OPS)


@dataclass(frozen=True, repr=False)
class Artifact:
    """A .tflite model in memory. Made by `to_tflite` or by `Artifact.load`.

    Args:
        content: the bytes of the file.
        name: what tables and file names call it.
        quantization: the name of a mode, as "int8" (every tensor an integer, but
            for inputs and outputs), or "mixed"; read from the file's tensors.
        target: name of the device it was written for; None when unknown.
        inputs: one `TensorSpec` per input, in the Keras model's order.
        outputs: one `TensorSpec` per output, in the Keras model's order.
        ops: operator names in order of execution, of the main graph alone.
        agreement: distance to the Keras model; None for a loaded file.
        streaming: whether a call takes one step of a sequence and the state is
            carried to the next; written into the file.
        notes: what was said about the conversion, such as a layer unrolled; empty
            for a loaded file.
        calibration: by what the calibration data are known again; in the file.
        labels: names of the classes; in the file.
        other_ops: operator names of the other subgraphs, which WHILE, IF and
            CALL_ONCE run; empty for a file of `to_tflite`.

    Example:

    ```python
    artifact = export.to_tflite(model, "int8", calibration=x[:256])
    artifact.save("model.tflite")
    scores = export.Artifact.load("model.tflite").run(x_test)
    ```
    """

    content: bytes
    name: str
    quantization: str
    target: str | None
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    ops: tuple[str, ...]
    agreement: Agreement | None = None
    streaming: bool = False
    notes: tuple[str, ...] = ()
    calibration: Fingerprint | None = None
    labels: tuple[str, ...] = ()
    other_ops: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<Artifact {self.name!r}, {self.quantization}, {self.nbytes:,} bytes>"

    @property
    def nbytes(self) -> int:
        """Size of the file in bytes."""
        return len(self.content)

    @property
    def all_ops(self) -> tuple[str, ...]:
        """Operator names of all subgraphs: what a runtime must have kernels for."""
        return self.ops + self.other_ops

    @property
    def stateful(self) -> bool:
        """Whether the model remembers the last invocation (a fused LSTM does)."""
        return any(op in _STATEFUL_OPS for op in self.all_ops)

    @property
    def has_resources(self) -> bool:
        """Whether it remembers in resource variables, which no reset reaches."""
        return any(op in RESOURCE_OPS for op in self.all_ops)

    @property
    def state_note(self) -> str:
        """What the caller must do about state; empty when there is none."""
        return artifact_text.state_note(
            self.stateful, self.streaming, self.has_resources
        )

    def arena_bytes(self) -> int:
        """Bytes of arena that TFLM's own interpreter allocates, on this computer.

        Activations count as on a board; pointers here have 8 bytes instead of 4, and
        scratch memory of a vendor's kernels is not in it. On the board
        `MicroInterpreter::arena_used_bytes()` is the truth.

        Raises:
            MissingDependencyError: tflite-micro (the extra `tflm`) is not installed.
            ArtifactError: TFLM cannot run the model.
        """
        return tflm_arena_bytes(self.content)

    def summary(self) -> str:
        """What the file holds and what its caller has to know, as lines of text."""
        return artifact_text.render(self)

    def save(self, path: str | os.PathLike) -> Path:
        """Writes the .tflite file, whole or not at all.

        Args:
            path: where to; an existing file is replaced.

        Returns:
            `path` as a `Path`.

        Raises:
            ArtifactError: the path cannot be written.
        """
        return write_atomically(path, lambda file: file.write_bytes(self.content))

    def save_firmware(
        self,
        path: str | os.PathLike,
        golden: Any = None,
        arena_bytes: int | None = None,
        force: bool = False,
    ) -> Path:
        """Writes a folder of C++ sources that run the model under TFLM.

        The bytes as an array; shapes, scales, zero points and the arena's size
        (what TFLM's interpreter takes on this computer and max(8 KiB, 20 %), an
        estimate); the operators to link; one golden example with a program that
        checks it and prints PASS or FAIL; a Makefile and a README.

        Args:
            path: the folder to make, whole or not at all.
            golden: real examples, as for `run`; the first is checked on the board,
                all steps of it where the model is streaming. By default one is
                made up.
            arena_bytes: size of the arena where tflite-micro is not installed, or
                where the board's own figure is known.
            force: replace a folder that this method wrote.

        Returns:
            `path` as a `Path`.

        Raises:
            ArtifactError: the folder exists, cannot be written, or TFLM cannot run
                the model.
            MissingDependencyError: neither tflite-micro nor `arena_bytes`.
            InvalidArgumentError: `golden` does not fit the inputs, or `arena_bytes` is
                less than half of what TFLM takes here, where it is installed.

        Example:

        ```python
        artifact.save_firmware("firmware/", golden=x_test[:1])
        ```
        """
        return save_firmware(self, path, golden, arena_bytes, force)

    @classmethod
    def load(cls, path: str | os.PathLike, name: str | None = None) -> "Artifact":
        """Reads a .tflite file, whoever wrote it.

        A file of `to_tflite` holds a checksum of all its bytes, which is compared.
        Files of others hold none: of those only what LiteRT's verifier sees is
        found, and a changed weight is not.

        Args:
            path: the file.
            name: what to call it; by default the file name without suffix.

        Returns:
            The artifact. Its `target` and `agreement` are not in the file and
            are None.

        Raises:
            ArtifactError: the file is missing, is not a .tflite file, or is
                damaged.
        """
        path = Path(path)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ArtifactError(
                "a .tflite file that can be read",
                f"{str(path)!r} ({error.strerror or error})",
                "Check the path.",
            ) from error
        try:
            # What is no .tflite file at all may speak of this library all the same.
            if is_tflite(content):
                check_whole(content)
            artifact = cls.from_content(content, name or path.stem)
            check_loads(content)
        except ArtifactError as error:
            raise ArtifactError(
                error.expected, f"{str(path)!r}: {error.received}", error.next_step
            ) from error
        return artifact

    @classmethod
    def from_content(
        cls,
        content: bytes,
        name: str,
        target: str | None = None,
        agreement: Agreement | None = None,
        notes: tuple[str, ...] = (),
    ) -> "Artifact":
        """Describes the bytes of a .tflite file.

        Args:
            content: the bytes.
            name: what to call it.
            target: name of the device it was written for, when known.
            agreement: distance to the Keras model, when known.
            notes: what was said about the conversion.

        Returns:
            The artifact.

        Raises:
            ArtifactError: `content` is not a whole .tflite file.
        """
        graph, *others = graphs = read_subgraphs(content)
        with reading(content):
            return cls(
                content=bytes(content),
                name=name,
                quantization=quantization_of(graphs),
                target=target,
                inputs=specs_of(graph, graph.inputs, graph.input_names),
                outputs=specs_of(graph, graph.outputs, graph.output_names),
                ops=tuple(op.name for op in graph.ops),
                agreement=agreement,
                streaming=is_streaming(content),
                notes=notes,
                calibration=fingerprint_of(content),
                labels=labels_of(content),
                other_ops=tuple(op.name for other in others for op in other.ops),
            )

    def run(self, x: Any, reference_kernels: bool = False, num_threads: int = 1) -> Any:
        """Runs a batch through LiteRT, one example at a time, state reset before each.

        A streaming model takes whole sequences here too, of any length: each is
        fed step by step.

        Args:
            x: real values of shape (n, ...); a list or tuple of such arrays, or
                a dict by input name, for several inputs. Quantized (round, then
                clip) where the file wants integers.
            reference_kernels: use LiteRT's plain kernels instead of the fast ones.
                A microcontroller's agree with them; but in an LSTM's step 1 in
                100 entries of h is the neighbouring integer.
            num_threads: threads of the interpreter.

        Returns:
            De-quantized outputs of shape (n, ...): one array, or a tuple of
            them for several outputs. Of a streaming model (n, steps, ...): what
            it answered after every step.

        Raises:
            InvalidArgumentError: `x` does not fit the inputs.

        Example:

        ```python
        labels = artifact.run(x_test).argmax(axis=-1)
        ```
        """
        outputs = run_batch(self, x, reference_kernels, num_threads)
        return outputs[0] if len(outputs) == 1 else outputs
