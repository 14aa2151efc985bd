"""How to talk to a device: Android over `adb`, a Linux board over `ssh`.

`open_shell` reads an address as `benchmark` takes it and returns a `Shell`, which
runs commands and carries files; `android` and `linux` ask what the device is,
`conditions` how hot it is and how fast it runs.
"""

from keras_diffmask.export.devices.address import DEVICES, open_shell
from keras_diffmask.export.devices.conditions import Conditions
from keras_diffmask.export.devices.facts import DeviceFacts
from keras_diffmask.export.devices.shell import Answer, Shell

__all__ = ["DEVICES", "Answer", "Conditions", "DeviceFacts", "Shell", "open_shell"]
