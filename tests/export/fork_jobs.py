"""Jobs for the tests of the fork server: what `job/code.py` says."""

import os
from pathlib import Path

LOADED_BY: list[int] = []


def preload() -> None:
    LOADED_BY.append(os.getpid())


def main(job: Path) -> int:
    names = {"loaded_by": LOADED_BY[0], "job": job, "status": 0}
    exec((job / "code.py").read_text(), names)
    return names["status"]
