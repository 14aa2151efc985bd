"""From `benchmark(device=...)` to a connection."""

from keras_diffmask.errors import InvalidArgumentError
from keras_diffmask.export.device_names import EMULATED, HOST
from keras_diffmask.export.devices.adb import Adb
from keras_diffmask.export.devices.shell import Shell
from keras_diffmask.export.devices.ssh import Ssh

DEVICES = '"android", "android:SERIAL" or "ssh:user@host[:port]"'


def open_shell(device: str) -> Shell:
    """Connects to a device.

    Args:
        device: one of `DEVICES`.

    Returns:
        The connection; nothing has to be closed.

    Raises:
        InvalidArgumentError: it is no such address.
        DeviceError: there is no such device, or it does not answer.
        MissingDependencyError: adb or ssh is not installed.
    """
    kind, _, rest = device.partition(":")
    if kind == "android" and (rest or device == "android"):
        return Adb.choose(rest or None)
    if kind == "ssh" and rest:
        return Ssh(rest)
    raise InvalidArgumentError(
        f'device as "{HOST}", {DEVICES}, or "{EMULATED}"',
        f"device={device!r}",
        "`adb devices` lists the serial numbers.",
    )
