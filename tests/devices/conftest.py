"""The real adb, two versions of it, and fake phones for it to talk to."""

import importlib.util
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.devices.fake_adbd import Device
from tests.devices.phone import furnish

#: Names a program by hand; else Debian's, and that of the adbutils wheel.
VARIABLES = {"29": "KERAS_DIFFMASK_TEST_ADB29", "36": "KERAS_DIFFMASK_TEST_ADB36"}


def find_adb(version: str) -> str:
    """Path of an adb of that version; skips the test where there is none."""
    candidates = [os.environ.get(VARIABLES[version]), shutil.which("adb")]
    spec = importlib.util.find_spec("adbutils")
    if spec is not None and spec.origin is not None:
        candidates.append(str(Path(spec.origin).parent / "binaries/adb"))
    for path in candidates:
        if path and os.access(path, os.X_OK):
            told = subprocess.run([path, "version"], capture_output=True, text=True)
            if f"Version {version}." in told.stdout:
                return path
    pytest.skip(f"no adb {version} ({VARIABLES[version]}, PATH, or the adbutils wheel)")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture(scope="module", params=["29", "36"])
def adb_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The environment of one adb, whose server is nobody else's."""
    environment = {
        "ADB": find_adb(request.param),
        "ANDROID_ADB_SERVER_PORT": str(free_port()),
        "HOME": str(tmp_path_factory.mktemp("home")),
        # No USB, no mDNS: a developer's own phone stays out of it.
        "ADB_USB": "0",
        "ADB_MDNS_AUTO_CONNECT": "0",
    }
    adb = [environment["ADB"]]
    subprocess.run(
        [*adb, "start-server"], env={**os.environ, **environment}, capture_output=True
    )
    yield environment
    subprocess.run([*adb, "kill-server"], env={**os.environ, **environment})


@pytest.fixture
def adb(
    adb_server: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., str]]:
    """Calls adb; its variables are set for this process as well."""
    for name, value in adb_server.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)

    def call(*words: str) -> str:
        done = subprocess.run(
            [adb_server["ADB"], *words], capture_output=True, text=True, timeout=60
        )
        return done.stdout + done.stderr

    yield call
    call("disconnect")


@pytest.fixture
def make_phone(
    adb: Callable[..., str], tmp_path: Path
) -> Iterator[Callable[..., Device]]:
    """Makes phones, connected unless told otherwise."""
    phones: list[Device] = []

    def make(connect: bool = True, locked: bool = False, **more: str) -> Device:
        root = tmp_path / f"phone{len(phones)}"
        furnish(root)
        phone = Device(root, **more).start()
        phone.locked = locked
        phones.append(phone)
        if connect:
            adb("connect", phone.serial)
        return phone

    yield make
    for phone in phones:
        phone.stop()


@pytest.fixture
def phone(make_phone: Callable[..., Device]) -> Device:
    return make_phone()


@pytest.fixture
def left_behind() -> Callable[[Device], list[str]]:
    """What is in the one folder of a phone that may be written."""
    return lambda phone: sorted(os.listdir(phone.root / "data/local/tmp"))
