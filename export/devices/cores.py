"""The processor's cores, as Linux shows them under /sys: phones and boards alike."""

from keras_diffmask.export.devices.shell import Shell

CPUS = "/sys/devices/system/cpu"
#: One line a core: "cpu3:2367000:schedutil"; what is not there is empty.
_SCRIPT = (
    f"for c in {CPUS}/cpu[0-9]*; do "
    'echo "${c##*/}:$(cat $c/cpufreq/cpuinfo_max_freq 2>/dev/null)'
    ':$(cat $c/cpufreq/scaling_governor 2>/dev/null)"; done'
)


def read_cores(
    shell: Shell, timeout: float = 20.0
) -> tuple[tuple[int | None, ...], tuple[str, ...]]:
    """Highest frequency of each core in MHz, and the governors.

    Args:
        shell: the device.
        timeout: seconds.

    Raises:
        DeviceError: the device is gone.
    """
    highest: dict[int, int | None] = {}
    governors = []
    for line in shell.run(_SCRIPT, timeout).out.splitlines():
        name, *values = line.strip().split(":")
        if len(values) != 2 or not name[3:].isdigit():
            continue
        khz, governor = values
        highest[int(name[3:])] = int(khz) // 1000 if khz.isdigit() else None
        if governor:
            governors.append(governor)
    numbers = range(max(highest, default=-1) + 1)
    return tuple(map(highest.get, numbers)), tuple(dict.fromkeys(governors))
