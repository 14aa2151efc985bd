"""The connection over the real adb client: commands, files, output of any size."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from keras_diffmask.errors import DeviceError, MissingDependencyError
from keras_diffmask.export.devices import open_shell
from keras_diffmask.export.devices.adb import Adb
from keras_diffmask.export.devices.android import android_facts
from keras_diffmask.export.devices.conditions import (
    cool_down,
    read_conditions,
    remarks,
)
from tests.devices.fake_adbd import Device
from tests.devices.phone import program

Make = Callable[..., Device]


@pytest.fixture
def shell(phone: Device) -> Adb:
    return Adb.choose(phone.serial)


def test_the_only_device_is_found(phone: Device) -> None:
    assert open_shell("android").address == f"android:{phone.serial}"


def test_exit_status_and_both_outputs(shell: Adb) -> None:
    answer = shell.run("echo out; echo err >&2; exit 7", 20)
    assert (answer.status, answer.out, answer.err) == (7, "out\n", "err\n")
    assert shell.run("sh -c 'kill -SEGV $$'", 20).status == 128 + 11
    assert shell.has_shell_v2()


def test_a_device_before_android_7_tells_the_status_too(make_phone: Make) -> None:
    shell = Adb.choose(make_phone(features="cmd,stat_v2").serial)
    answer = shell.run("echo out; echo err >&2; exit 7", 20)
    assert answer.status == 7
    assert sorted(answer.out.split()) == ["err", "out"] and answer.err == ""
    assert not shell.has_shell_v2()


def test_output_over_a_megabyte(shell: Adb) -> None:
    answer = shell.run("head -c 3000000 /dev/zero | tr '\\0' x; exit 3", 60)
    assert answer.status == 3 and answer.out == "x" * 3_000_000


def test_nothing_that_a_command_prints_passes_for_its_end(shell: Adb) -> None:
    answer = shell.run("echo ended-0123456789abcdef-0; exit 5", 20)
    assert answer.status == 5 and answer.out == "ended-0123456789abcdef-0\n"


def test_bytes_that_are_no_text(shell: Adb) -> None:
    assert shell.run("printf 'a\\377b'", 20).out == "a\ufffdb"
    steering = shell.run("printf 'a\\033[2Jb\\r\\n\\tc\\n'", 20).out
    assert steering == "a[2Jb\n\tc\n"


def test_files_go_there_and_back(shell: Adb, tmp_path: Path) -> None:
    folder = shell.make_folder()
    assert folder.startswith("/data/local/tmp/keras_diffmask-")
    content = os.urandom(5_000_000)
    local = tmp_path / "with spaces; $(touch pwned) 'and' quotes.bin"
    local.write_bytes(content)
    shell.push(local, f"{folder}/x.bin", 60)
    assert shell.run(f"wc -c < {folder}/x.bin", 20).out.strip() == "5000000"
    assert shell.pull(f"{folder}/x.bin", tmp_path / "back.bin", 60)
    assert (tmp_path / "back.bin").read_bytes() == content
    assert not shell.pull(f"{folder}/nowhere", tmp_path / "nowhere", 60)
    assert not (tmp_path / "pwned").exists()


def test_what_a_phone_says_of_itself(shell: Adb) -> None:
    facts = android_facts(shell)
    assert facts.model == "Acme Fake Phone" and facts.soc == "Acme X1"
    assert (facts.system, facts.sdk) == ("Android 14", 34)
    assert facts.abis == ("arm64-v8a", "armeabi-v7a")
    assert facts.governors == ("schedutil",)
    assert facts.core_mhz == (1800, 1800, 2800, 2800)
    assert facts.big_cores() == "c"


def test_how_hot_it_is(shell: Adb, phone: Device) -> None:
    limit = phone.root / "sys/devices/system/cpu/cpu3/cpufreq/scaling_max_freq"
    limit.write_text("1200000\n")
    seen = read_conditions(shell)
    assert (seen.battery_celsius, seen.chip_celsius) == (28.5, 41.0)
    assert seen.thermal_status == 0
    assert seen.core_mhz == (1800, 1800, 2800, 2800)
    assert seen.limit_mhz == (1800, 1800, 2800, 1200)


def test_a_hot_phone_is_given_time(shell: Adb, phone: Device) -> None:
    service = phone.root / "system/bin/dumpsys"
    program(service, "echo 'Thermal Status: 2'")
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            program(service, "echo 'Thermal Status: 0'")

    assert cool_down(shell, read_conditions(shell), sleep) == sum(slept) == 15
    assert cool_down(shell, read_conditions(shell), sleep) == 0
    program(service, "echo 'Thermal Status: 3'")
    # Some stay warm: a minute, then it goes on, and the result says so.
    assert cool_down(shell, read_conditions(shell), slept.append) == 60
    seen = [read_conditions(shell)]
    assert remarks(seen, ()) == [
        "Android reported thermal status 3 (0 is none): throttled"
    ]


def test_a_phone_that_says_nothing(shell: Adb, phone: Device) -> None:
    for folder in ("sys/devices/system/cpu", "sys/class/thermal", "system/bin"):
        os.rename(phone.root / folder, phone.root / folder.replace("/", "-"))
    seen = read_conditions(shell)
    assert seen.battery_celsius is seen.chip_celsius is seen.thermal_status is None
    assert seen.core_mhz == seen.limit_mhz == ()
    facts = android_facts(shell)
    assert facts.model is facts.soc is facts.system is facts.sdk is None
    assert facts.abis == facts.core_mhz == ()


def test_two_devices_want_a_name(make_phone: Make) -> None:
    first, second = make_phone(), make_phone()
    with pytest.raises(DeviceError, match=r"several: .*device=\"android:"):
        open_shell("android")
    for phone in (first, second):
        shell = open_shell(f"android:{phone.serial}")
        assert shell.run("echo $0", 20).status == 0
        (phone.root / "data/local/tmp/mark").write_text(phone.serial)
        assert shell.run("cat /data/local/tmp/mark", 20).out == phone.serial


def test_the_variable_of_adb_names_one(
    make_phone: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_phone()
    second = make_phone()
    monkeypatch.setenv("ANDROID_SERIAL", second.serial)
    assert open_shell("android").address == f"android:{second.serial}"


def test_no_adb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ADB", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="adb, of Android's"):
        open_shell("android")
    monkeypatch.setenv("ADB", str(tmp_path / "nowhere"))
    with pytest.raises(MissingDependencyError, match="nowhere', which is no program"):
        open_shell("android")
