"""What a measurement on a device is to be, and whether it can be."""

import os
from dataclasses import dataclass

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.benchmark_model import DELEGATES, Request
from keras_diffmask.export.devices import DeviceFacts

BIG = "big"
#: Of the run that measures memory, and of the one for single operations.
_SIDE_RUNS, _SIDE_SECONDS = 5, 0.2


@dataclass(frozen=True)
class DeviceSettings:
    """The arguments of `benchmark` that concern a device; see there."""

    benchmark_model: str | os.PathLike[str] | None = None
    cores: str | int | None = None
    delegate: str = "cpu"
    threads: int = 1
    rounds: int = 5
    seconds: float = 5.0
    warmup: int = 5
    per_op: bool = False
    timeout: float = 120.0

    def check(self) -> None:
        """Refuses what no device could do.

        Raises:
            InvalidArgumentError: an argument is out of range.
        """
        if self.delegate not in DELEGATES:
            raise InvalidArgumentError(
                f"delegate as one of {', '.join(DELEGATES)}",
                f"delegate={self.delegate!r}",
                'Leave it out for "cpu", which is XNNPACK.',
            )
        if not self.timeout > 0:
            raise InvalidArgumentError(
                "timeout in seconds, above 0",
                f"timeout={self.timeout!r}",
                "Leave it out for 120.",
            )
        if self.cores != BIG:
            self._given_mask()

    def _given_mask(self) -> int | None:
        try:
            mask = int(self.cores, 16) if isinstance(self.cores, str) else self.cores
        except ValueError:
            mask = -1
        is_whole = isinstance(mask, int) and not isinstance(mask, bool)
        if mask is not None and (not is_whole or mask < 1):
            raise InvalidArgumentError(
                'cores as "big", or a mask in hexadecimal such as "f0"',
                f"cores={self.cores!r}",
                "Bit 0 is core 0: f0 are the cores 4 to 7.",
            )
        return mask

    def mask(self, facts: DeviceFacts) -> str | None:
        """The cores to run on.

        Args:
            facts: the device.

        Returns:
            A mask in hexadecimal; None for all cores.

        Raises:
            InvalidArgumentError: the device has no such cores, or more threads
                than these are wanted.
        """
        mask = int(facts.big_cores(), 16) if self.cores == BIG else self._given_mask()
        if mask is None:
            return None
        cores = len(facts.core_mhz)
        if cores and mask >> cores:
            raise InvalidArgumentError(
                f"cores among the {cores} of the device",
                f"cores={self.cores!r}",
                f"The mask of all of them is {(1 << cores) - 1:x}.",
            )
        if self.threads > mask.bit_count():
            raise InvalidArgumentError(
                f"at most as many threads as cores, {mask.bit_count()} in {mask:x}",
                f"threads={self.threads}",
                "Threads that share a core wait for each other.",
            )
        return f"{mask:x}"

    def timed(self, graph: str, tool: str | None, result: str) -> Request:
        """One round of one model."""
        each = self.seconds / self.rounds
        return Request(
            graph=graph,
            threads=self.threads,
            runs=2,
            seconds=each,
            most_seconds=max(2 * each, self.timeout / 4),
            warmup=self.warmup,
            warmup_seconds=min(0.5, each / 2),
            delegate=self.delegate,
            tool=tool,
            result=result,
        )

    def aside(self, graph: str, tool: str, **more: bool | str) -> Request:
        """A run that watches something else than the time."""
        return Request(
            graph=graph,
            threads=self.threads,
            runs=_SIDE_RUNS,
            seconds=_SIDE_SECONDS,
            most_seconds=self.timeout / 4,
            warmup=self.warmup,
            warmup_seconds=0,
            delegate=self.delegate,
            tool=tool,
            **more,  # type: ignore[arg-type]
        )
