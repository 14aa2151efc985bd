"""What a Linux board says of itself."""

from keras_diffmask.export.devices.cores import read_cores
from keras_diffmask.export.devices.facts import DeviceFacts
from keras_diffmask.export.devices.shell import Shell

#: A Raspberry Pi may run 32-bit programs on a 64-bit kernel, whose name uname
#: tells: LONG_BIT is that of the programs.
_SCRIPT = (
    "echo m:$(uname -m); echo b:$(getconf LONG_BIT); "
    "echo n:$(tr -d '\\0' 2>/dev/null </proc/device-tree/model || true); "
    "echo c:$(tr '\\0' , 2>/dev/null </proc/device-tree/compatible || true); "
    "(. /etc/os-release && echo s:$PRETTY_NAME)"
)
_ABIS = {
    ("aarch64", "64"): ("linux-aarch64",),
    ("aarch64", "32"): ("linux-arm",),
    ("armv7l", "32"): ("linux-arm",),
    ("armv6l", "32"): ("linux-arm",),
    ("x86_64", "64"): ("linux-x86_64",),
    ("riscv64", "64"): ("linux-riscv64",),
}


def linux_facts(shell: Shell, timeout: float = 30.0) -> DeviceFacts:
    """Reads what the kernel and the distribution tell.

    Args:
        shell: the board.
        timeout: seconds for each command.

    Raises:
        DeviceError: the board is gone.
    """
    answer = shell.run(f"({_SCRIPT}) 2>/dev/null", timeout)
    told = {}
    for line in answer.out.splitlines():
        key, _, value = line.partition(":")
        told[key] = value.strip()
    core_mhz, governors = read_cores(shell, timeout)
    machine = told.get("m", "")
    # The last of "raspberrypi,4-model-b,brcm,bcm2711" is the chip.
    chip = told.get("c", "").strip(",").rpartition(",")[2]
    return DeviceFacts(
        model=told.get("n") or None,
        system=told.get("s") or None,
        sdk=None,
        soc=chip or None,
        abis=_ABIS.get((machine, told.get("b", "")), (f"linux-{machine}",)),
        governors=governors,
        core_mhz=core_mhz,
    )
