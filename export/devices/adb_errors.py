"""One sentence for each way in which adb refuses."""

from collections.abc import Mapping

from keras_diffmask.errors import DeviceError
from keras_diffmask.export.devices.shell import Answer

_EXPECTED = "an Android device that answers adb"
_ALLOW = "Unlock it, and allow USB debugging for this computer on its screen."
_STATES = {
    "unauthorized": _ALLOW,
    "authorizing": _ALLOW,
    "offline": "Unplug it and plug it in again, or run `adb reconnect`.",
    "no permissions": (
        "Give your user access to USB devices (on Debian: `apt install "
        "android-sdk-platform-tools-common`), then run `adb kill-server`."
    ),
    "recovery": "Start Android on it.",
    "sideload": "Start Android on it.",
    "bootloader": "Start Android on it.",
}
#: Part of what adb or the device writes -> (what was received, what to do).
_MESSAGES = {
    "unauthorized": ("it unauthorised", _ALLOW),
    "failed to authenticate": ("it unauthorised", _ALLOW),
    "no space left": (
        "no space left on it",
        "Free some storage there, at least the size of the models and 10 MB.",
    ),
    "read-only file system": (
        "a file system that cannot be written",
        "Look at it with `adb shell df /data/local/tmp`.",
    ),
    "offline": ("it offline", _STATES["offline"]),
    "more than one device": (
        "several devices",
        'Say which one: device="android:SERIAL", a serial of `adb devices`.',
    ),
    "cannot connect to daemon": (
        "no answer of adb's own server",
        "Run `adb kill-server`, and try again.",
    ),
}
_LOST = "Check the cable and the screen of the device, and run it again."
_VERSION = (
    "Another adb on this computer is of another version and they end each other's "
    "server: use one of them (put its path into ADB), plug the device in again."
)


def other_version(answer: Answer) -> bool:
    """Whether adb has just ended a server that another version had started."""
    return "doesn't match this client" in answer.text


def explain(answer: Answer, serial: str) -> DeviceError:
    """The error behind what adb wrote.

    Args:
        answer: what it wrote, and its status.
        serial: of the device.

    Returns:
        An error to raise.
    """
    expected, text = f"{_EXPECTED}, {serial}", answer.text.lower()
    if other_version(answer):
        return DeviceError(expected, "adb's server restarted", _VERSION)
    for part, (received, step) in _MESSAGES.items():
        if part in text:
            return DeviceError(expected, received, step)
    if not answer.text.strip() or "not found" in text or "no devices" in text:
        return DeviceError(expected, "no answer: it is gone", _LOST)
    return DeviceError(expected, f"adb's refusal ({answer.reason})", _LOST)


def refused(
    serial: str | None, states: Mapping[str, str], restarted: bool
) -> DeviceError:
    """The error where `adb devices` does not show the one that is wanted.

    Args:
        serial: the one wanted; None for the only one.
        states: serial number -> state of those there are.
        restarted: whether the server was of another version.

    Returns:
        An error to raise.
    """
    listed = ", ".join(f"{name} ({state})" for name, state in states.items())
    if serial is not None and serial in states:
        state = states[serial]
        step = _STATES.get(state, "Look at the device's screen.")
        return DeviceError(f"{_EXPECTED}, {serial}", f"it {state!r}", step)
    if serial is not None:
        step = "Use one of those that `adb devices` lists."
        if ":" in serial:
            step = f"Connect it with `adb connect {serial}`."
        received = f"serial={serial!r}, which adb does not see; it sees "
        return DeviceError(
            _EXPECTED,
            received + (listed or "no device"),
            _VERSION if restarted else step,
        )
    if states:
        step = f'Say which one: device="android:{next(iter(states))}".'
        return DeviceError(_EXPECTED, f"several: {listed}", step)
    step = (
        "Plug one in and allow USB debugging in its developer options; `adb devices` "
        "must list it."
    )
    return DeviceError(_EXPECTED, "no device", _VERSION if restarted else step)
