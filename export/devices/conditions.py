"""How hot a device is and how fast its cores run: read between rounds."""

import dataclasses
import time
from collections.abc import Callable, Sequence

from keras_diffmask.export.devices.cores import CPUS
from keras_diffmask.export.devices.shell import Shell

_ZONES = "/sys/class/thermal"
#: "cpu:3:1800000:2367000", "zone:51000", and the words of Android's services.
_SCRIPT = (
    f"for c in {CPUS}/cpu[0-9]*; do "
    'echo "cpu:${c##*/cpu}:$(cat $c/cpufreq/scaling_cur_freq 2>/dev/null)'
    ':$(cat $c/cpufreq/scaling_max_freq 2>/dev/null)"; done; '
    f'for z in {_ZONES}/thermal_zone*; do echo "zone:$(cat $z/temp 2>/dev/null)"; '
    "done; if command -v dumpsys >/dev/null; then "
    "dumpsys battery | grep temperature; "
    "dumpsys thermalservice | grep 'Thermal Status'; fi; true"
)
#: What a sensor that is not there answers, and what is no temperature of a chip.
_PLAUSIBLE = (-40.0, 150.0)
_WARMER = 5.0
_PAUSE, _LONGEST_PAUSE = 5.0, 60.0


@dataclasses.dataclass(frozen=True)
class Conditions:
    """One look at a device; what it does not tell is None.

    Args:
        battery_celsius: temperature of the battery.
        chip_celsius: of the hottest of the chip's sensors.
        thermal_status: Android's word for it, 0 (none) to 6 (shutdown).
        core_mhz: frequency of each core at that moment, idle ones included.
        limit_mhz: what each core was allowed at that moment.
    """

    battery_celsius: float | None
    chip_celsius: float | None
    thermal_status: int | None
    core_mhz: tuple[int | None, ...]
    limit_mhz: tuple[int | None, ...]


def read_conditions(shell: Shell, timeout: float = 20.0) -> Conditions:
    """Looks at a device.

    Args:
        shell: the device.
        timeout: seconds.

    Raises:
        DeviceError: the device is gone.
    """
    cores: dict[int, tuple[int | None, int | None]] = {}
    zones: list[float] = []
    battery = status = None
    for line in shell.run(_SCRIPT, timeout).out.splitlines():
        key, _, rest = line.strip().partition(":")
        if key == "cpu" and len(parts := rest.split(":")) == 3 and parts[0].isdigit():
            cores[int(parts[0])] = (_mhz(parts[1]), _mhz(parts[2]))
        elif key == "zone" and (value := _whole(rest)) is not None:
            # Most sensors count thousandths of a degree, some whole degrees.
            zones.append(value / 1000 if abs(value) > 1000 else float(value))
        elif key == "temperature" and (value := _whole(rest)) is not None:
            battery = value / 10
        elif key == "Thermal Status":
            status = _whole(rest)
    chips = [zone for zone in zones if _PLAUSIBLE[0] < zone < _PLAUSIBLE[1]]
    pairs = [cores.get(n, (None, None)) for n in range(max(cores, default=-1) + 1)]
    return Conditions(
        battery_celsius=battery,
        chip_celsius=max(chips, default=None),
        thermal_status=status,
        core_mhz=tuple(now for now, _ in pairs),
        limit_mhz=tuple(limit for _, limit in pairs),
    )


def cool_down(
    shell: Shell, seen: Conditions, sleep: Callable[[float], None] = time.sleep
) -> float:
    """Waits while Android calls the device throttled, a minute at most.

    Args:
        shell: the device.
        seen: the last look at it.
        sleep: waits for so many seconds.

    Returns:
        The seconds waited.

    Raises:
        DeviceError: the device is gone.
    """
    waited = 0.0
    while (seen.thermal_status or 0) > 0 and waited < _LONGEST_PAUSE:
        sleep(_PAUSE)
        waited += _PAUSE
        seen = read_conditions(shell)
    return waited


def remarks(seen: Sequence[Conditions], core_mhz: Sequence[int | None]) -> list[str]:
    """What speaks for throttling.

    Args:
        seen: before the first round and after each.
        core_mhz: highest frequency of each core.

    Returns:
        Sentences without a full stop; none where nothing speaks for it.
    """
    found = []
    worst = max((c.thermal_status or 0 for c in seen), default=0)
    if worst > 0:
        found.append(f"Android reported thermal status {worst} (0 is none): throttled")
    lowered = {
        core
        for look in seen
        for core, (limit, most) in enumerate(
            zip(look.limit_mhz, core_mhz, strict=False)
        )
        if limit is not None and most is not None and limit < most
    }
    if lowered:
        cores = ", ".join(map(str, sorted(lowered)))
        found.append(f"cores {cores} were held below their highest frequency")
    heats = [c.chip_celsius for c in seen if c.chip_celsius is not None]
    if heats and heats[-1] - heats[0] > _WARMER:
        found.append(f"the chip went from {heats[0]:.0f} to {heats[-1]:.0f} degrees C")
    return found


def _whole(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.removeprefix("-").isdigit() else None


def _mhz(text: str) -> int | None:
    khz = _whole(text)
    return None if khz is None else khz // 1000
