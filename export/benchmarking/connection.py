"""A device that has been found, and the tool that fits it."""

from dataclasses import dataclass

from keras_diffmask.export.benchmark_model import Binary, find_binary
from keras_diffmask.export.benchmarking.device_settings import DeviceSettings
from keras_diffmask.export.devices import DeviceFacts, Shell, open_shell
from keras_diffmask.export.devices.android import android_facts
from keras_diffmask.export.devices.linux import linux_facts


@dataclass(frozen=True)
class Connection:
    """What `connect` has found.

    Attributes:
        shell: the device.
        facts: what it is.
        binary: the tool, which its processor can run.
        cores: mask of the cores to run on, in hexadecimal; None for all.
    """

    shell: Shell
    facts: DeviceFacts
    binary: Binary
    cores: str | None


def connect(device: str, settings: DeviceSettings) -> Connection:
    """Finds the device and the tool; nothing is copied yet.

    Args:
        device: an address, see `open_shell`.
        settings: how to measure.

    Raises:
        DiffmaskError: there is no such device, no such tool, or the settings
            ask for what the device has not.
    """
    settings.check()
    shell = open_shell(device)
    is_android = shell.address.startswith("android")
    facts = android_facts(shell) if is_android else linux_facts(shell)
    binary = find_binary(settings.benchmark_model, facts.abis)
    return Connection(shell, facts, binary, settings.mask(facts))
