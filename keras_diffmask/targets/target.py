"""What the exporter has to know of a device, as data."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from keras_diffmask.errors import InvalidArgumentError

#: Types that inputs and outputs of an integer file can have.
IO_TYPES = ("int8", "uint8", "float32")
_RUNTIMES = ("litert", "tflm")


@dataclass(frozen=True)
class Target:
    """A device the exporter can write for.

    Args:
        name: what the user writes, as in `to_tflite(..., target="cortex-m")`.
        allowed_ops: names of the TFLite built-in operators the device's runtime
            has; None means all of them.
        per_channel_dense: whether int8 Dense kernels get one scale per output
            unit (finer) or one per kernel.
        description: the device in one line.
        runtime: "litert" (phones, computers) or "tflm" (microcontrollers); the
            arena that `ram` limits is that of "tflm".
        without_int8: those of its operators whose kernels know no int8.
        without_int16: those whose kernels know no int16.
        refused: quantization mode -> why the device can't run it.
        io: types that inputs and outputs of an integer file may have.
        channel_multiple: widths that its kernels fill without a rest, at least 1.
        flash: bytes there are for the file; None where the board decides.
        ram: bytes there are for the arena; None where the board decides.
        accelerator: the name of its configuration in Vela, Arm's compiler for
            Ethos-U; None where there is no such accelerator.

    Raises:
        InvalidArgumentError: a value is not one of these.

    Example:

    ```python
    import dataclasses
    from keras_diffmask import targets

    board = dataclasses.replace(
        targets.CORTEX_M, name="board", flash=512 * 1024, ram=128 * 1024)
    artifact = export.to_tflite(model, "int8", calibration=x, target=board)
    ```
    """

    name: str
    allowed_ops: frozenset[str] | None = None
    per_channel_dense: bool = True
    description: str = ""
    runtime: str = "litert"
    without_int8: frozenset[str] = frozenset()
    without_int16: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict, hash=False)
    io: tuple[str, ...] = IO_TYPES
    channel_multiple: int = 1
    flash: int | None = None
    ram: int | None = None
    accelerator: str | None = None

    def __post_init__(self) -> None:
        if self.runtime not in _RUNTIMES:
            raise self._refuse("runtime to be 'litert' or 'tflm'", "runtime")
        if not self.io or not set(self.io) <= set(IO_TYPES):
            raise self._refuse(f"io to be some of {IO_TYPES}", "io")
        for argument in ("channel_multiple", "flash", "ram"):
            value = getattr(self, argument)
            if value is None and argument != "channel_multiple":
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise self._refuse(f"{argument} as a whole number from 1 on", argument)

    def _refuse(self, expected: str, argument: str) -> InvalidArgumentError:
        return InvalidArgumentError(
            f"{expected} for target '{self.name}'",
            f"{argument}={getattr(self, argument)!r}",
            "See keras_diffmask.targets.Target.",
        )

    def missing_ops(
        self, ops: tuple[str, ...], activations: str = "float32"
    ) -> tuple[str, ...]:
        """Those of `ops` the device has no kernel for, in order, once.

        Args:
            ops: names of operators.
            activations: what they compute with: "float32", "int8" or "int16".
        """
        lacking = {"int8": self.without_int8, "int16": self.without_int16}
        return tuple(
            op
            for op in dict.fromkeys(ops)
            if op in lacking.get(activations, ())
            or (self.allowed_ops is not None and op not in self.allowed_ops)
        )

    def to_json(self) -> dict[str, Any]:
        """The target as plain data for `json`; `from_json` makes it again."""
        return {key: _plain(value) for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Target":
        """The target that `to_json` wrote.

        Args:
            data: what `to_json` returned, through `json` or not.

        Returns:
            A target equal to the one written.

        Raises:
            InvalidArgumentError: a key is none of a target's fields.
        """
        known = {item.name for item in fields(cls)}
        if not set(data) <= known:
            raise InvalidArgumentError(
                f"the fields of a Target ({', '.join(sorted(known))})",
                f"{sorted(set(data) - known)} among them",
                "Write them with Target.to_json.",
            )
        return cls(**{key: _KINDS.get(key, _same)(v) for key, v in data.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    return list(value) if isinstance(value, tuple) else value


def _same(value: Any) -> Any:
    return value


def _set_or_none(value: Any) -> frozenset[str] | None:
    return None if value is None else frozenset(value)


# What JSON turned into a list.
_KINDS: dict[str, Callable[[Any], Any]] = {
    "allowed_ops": _set_or_none,
    "without_int8": frozenset,
    "without_int16": frozenset,
    "io": tuple,
}
