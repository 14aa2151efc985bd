"""What an Android device says of itself."""

from keras_diffmask.export.devices.cores import read_cores
from keras_diffmask.export.devices.facts import DeviceFacts
from keras_diffmask.export.devices.shell import Shell

_PROPERTIES = (
    "ro.product.manufacturer",
    "ro.product.model",
    "ro.build.version.release",
    "ro.build.version.sdk",
    "ro.soc.manufacturer",
    "ro.soc.model",
    "ro.board.platform",
    "ro.product.cpu.abilist",
    "ro.product.cpu.abi",
)


def android_facts(shell: Shell, timeout: float = 20.0) -> DeviceFacts:
    """Reads the properties and the cores.

    Args:
        shell: the device.
        timeout: seconds for each command.

    Raises:
        DeviceError: the device is gone.
    """
    script = f"for p in {' '.join(_PROPERTIES)}; do getprop $p; done"
    lines = shell.run(script, timeout).out.splitlines()
    lines += [""] * (len(_PROPERTIES) - len(lines))
    (maker, model, release, sdk, soc_maker, soc, platform, abis, abi) = (
        line.strip() for line in lines[: len(_PROPERTIES)]
    )
    core_mhz, governors = read_cores(shell, timeout)
    return DeviceFacts(
        model=f"{maker} {model}".strip() or None,
        system=f"Android {release}" if release else None,
        sdk=int(sdk) if sdk.isdigit() else None,
        # ro.soc.model came with Android 12; before, the platform's code name.
        soc=(f"{soc_maker} {soc}".strip() if soc else platform) or None,
        abis=tuple(filter(None, (abis or abi).split(","))),
        governors=governors,
        core_mhz=core_mhz,
    )
