"""Times of many small models on a phone or a board."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from keras_diffmask.export.benchmark_model import Request
from keras_diffmask.export.benchmarking.connection import connect
from keras_diffmask.export.benchmarking.device_session import Session, open_session
from keras_diffmask.export.benchmarking.device_settings import DeviceSettings
from keras_diffmask.export.benchmarking.interleave import order_of
from keras_diffmask.export.latency.timing import Place

#: Seconds for one model in one round, at least: starting the tool takes as long.
_SECONDS = 0.05
_SHORT = 60.0


@dataclass(frozen=True)
class DeviceTurns:
    """Runs models in turns on a device; see `timing.Turns`."""

    session: Session
    settings: DeviceSettings

    def __call__(
        self, contents: Mapping[str, bytes], rounds: int, seconds: float
    ) -> dict[str, np.ndarray]:
        files = {name: f"part_{i}.tflite" for i, name in enumerate(contents)}
        for name, content in contents.items():
            self.session.push(files[name], content)
        times: dict[str, list[float]] = {name: [] for name in files}
        for turn in range(rounds):
            for name in order_of(list(files), turn):
                request = self._request(files[name], seconds / rounds)
                figures, _ = self.session.run(request, name)
                # The median is a whole number of microseconds: too coarse for an
                # operator that takes ten of them.
                times[name].append(figures.mean_us * 1e3)
        folder = self.session.folder
        self.session.shell.run(f"rm -f {folder}/part_*.tflite", _SHORT)
        return {name: np.array(found) for name, found in times.items()}

    def _request(self, file: str, seconds: float) -> Request:
        return Request(
            graph=file,
            runs=5,
            seconds=max(seconds, _SECONDS),
            most_seconds=self.settings.timeout / 4,
            warmup=5,
            warmup_seconds=0,
        )


@contextlib.contextmanager
def turns_on(
    device: str, settings: DeviceSettings
) -> Iterator[tuple[DeviceTurns, Place]]:
    """Connects to a device, and removes everything from it at the end.

    Args:
        device: an address, see `open_shell`.
        settings: tool, cores and timeout count; one thread, XNNPACK.

    Returns:
        What times models there, and the words for the table.

    Raises:
        DiffmaskError: see `connect`.
    """
    found = connect(device, settings)
    facts = found.facts
    place = Place(
        device=found.shell.address,
        machine=", ".join(filter(None, (facts.model, facts.soc, facts.system))),
        engine=f"benchmark_model sha256 {found.binary.sha256[:12]}, one thread, "
        f"{'all cores' if found.cores is None else 'cores ' + found.cores}",
    )
    with open_session(
        found.shell, found.binary, {}, found.cores, settings.timeout
    ) as session:
        yield DeviceTurns(session, settings), place
