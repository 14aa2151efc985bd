"""What lies on the fake phone, and the tools that are pushed to it."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

MODEL = "Fake Phone"
_BIN = {
    "getprop": """case "$1" in
ro.product.manufacturer) echo Acme;; ro.product.model) echo 'Fake Phone';;
ro.build.version.release) echo 14;; ro.build.version.sdk) echo 34;;
ro.soc.manufacturer) echo Acme;; ro.soc.model) echo X1;;
ro.product.cpu.abilist) echo arm64-v8a,armeabi-v7a;; *) echo;; esac""",
    "dumpsys": """case "$1" in
battery) printf 'Current Battery Service state:\\n  level: 80\\n  temperature: 285\\n';;
thermalservice) printf 'IsStatusOverride: false\\nThermal Status: 0\\n';; esac""",
    "taskset": 'shift; exec "$@"',
}
#: Highest frequency in kHz: two little cores and two big ones.
_KHZ = (1800000, 1800000, 2800000, 2800000)
#: Real words of the tool, for tests where no model has to run.
CANNED = """INFO: STARTING!
INFO: Loaded model x
INFO: Initialized session in 0.434ms.
INFO: count=49 first=10831 curr=10661 min=9944 max=11216 avg=10284.4 std=273 p5=9971 median=10291 p95=10757

INFO: count=96 first=10424 curr=10453 min=10267 max=10905 avg=10483.8 std=104 p5=10363 median=10453 p95=10711

INFO: Inference timings in us: Init: 434, First inference: 10831, Warmup (avg): 10284.4, Inference (avg): 10483.8
INFO: Memory footprint delta from the start of the tool (MB): init=2.12891 overall=2.66406
"""  # noqa: E501


def furnish(root: Path) -> Path:
    """Fills the folder of a device; returns where its files may be written."""
    programs = root / "system/bin"
    programs.mkdir(parents=True)
    for name, text in _BIN.items():
        program(programs / name, text)
    for core, khz in enumerate(_KHZ):
        folder = root / f"sys/devices/system/cpu/cpu{core}/cpufreq"
        folder.mkdir(parents=True)
        for name in ("cpuinfo_max_freq", "scaling_max_freq", "scaling_cur_freq"):
            (folder / name).write_text(f"{khz}\n")
        (folder / "scaling_governor").write_text("schedutil\n")
    zone = root / "sys/class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "temp").write_text("41000\n")
    writable = root / "data/local/tmp"
    writable.mkdir(parents=True)
    return writable


def program(path: Path, text: str, shell: str = "/bin/sh") -> Path:
    """Writes a program, with the mode of one."""
    path.write_text(f"#!{shell}\n{text}\n")
    path.chmod(0o755)
    return path


def canned_tool(path: Path, before: str = "") -> Path:
    """A tool that does `before` (its words are in "$*") and prints `CANNED`."""
    return program(path, f"{before}\ncat <<'END'\n{CANNED}END")


def real_tool(path: Path, longest: float = 1e9) -> Path:
    """A tool that runs the model in LiteRT, for so many seconds at most."""
    source = Path(__file__).with_name("stand_in_tool.py").read_text()
    source = source.replace("LONGEST = 1e9", f"LONGEST = {longest}")
    return program(path, source, sys.executable)


def elf(machine: int, loader: bytes = b"") -> bytes:
    """The start of a 64-bit program, with the loader that it asks for."""
    header = bytearray(64 + 56)
    header[:6] = b"\x7fELF\x02\x01"
    header[18:20] = machine.to_bytes(2, "little")
    header[32] = 64  # where the table of segments is, one of 56 bytes
    header[54], header[56] = 56, 1 if loader else 0
    header[64] = 3
    header[64 + 8] = len(header)
    return bytes(header) + loader + b"\0" * 8 + os.urandom(8)


def running(words: str) -> bool:
    """Whether a process of exactly this command line is there."""
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True)
    return words in listing.stdout.splitlines()


def unique_sleep() -> str:
    """A command that takes an hour, unlike that of any test beside this one."""
    return f"sleep {secrets.randbelow(10**6) + 3600}"
