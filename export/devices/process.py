"""A client program on this computer: adb, ssh, scp."""

import os
import re
import signal
import subprocess
from collections.abc import Sequence

from keras_diffmask.errors import DeviceError
from keras_diffmask.export.devices.shell import Answer

#: What a device writes is shown to people: it must not steer their terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def run_process(command: Sequence[str], timeout: float, doing: str) -> Answer:
    """Runs a program to its end, without a shell, stdin or password prompts.

    Args:
        command: the program and its words.
        timeout: seconds after which it is killed.
        doing: what it is for, in an error's sentence.

    Returns:
        Its exit status and output, of any size; bytes that are no UTF-8 are
        replaced, control characters but for line breaks and tabs left out.

    Raises:
        DeviceError: it took too long, or cannot be started.
    """
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Ctrl-C is for this process, which then asks the device to tidy up.
            start_new_session=True,
        )
    except OSError as error:
        raise DeviceError(
            f"{command[0]!r} to start",
            error.strerror or str(error),
            "Check that it is a program for this computer.",
        ) from error
    try:
        out, err = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise DeviceError(
            f"{doing} to finish within {timeout:g} seconds",
            "no end by then",
            "Pass a longer timeout, or look at what the device is doing.",
        ) from None
    finally:
        # Also on KeyboardInterrupt: nothing is left running unseen.
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        for stream in (child.stdout, child.stderr):
            if stream is not None:
                stream.close()
    return Answer(child.returncode, _text(out), _text(err))


def _text(data: bytes) -> str:
    return _CONTROL.sub("", data.decode("utf-8", "replace"))
