"""setuptools, with two of its habits corrected.

It looks for its sdist template at the top level of the repository only, and
no setting moves it; ours lies beside this file. And it packs whatever an
earlier build left under `build/lib`, so that a module deleted since would
still be shipped: the folder is emptied before and after every wheel.
"""

import shutil
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403  (the other hooks, as they are)
from setuptools.command.egg_info import manifest_maker

manifest_maker.template = ".packaging/sdist.in"


def build_wheel(
    wheel_directory: str,
    config_settings: dict | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Builds the wheel from the sources alone. The hook of PEP 517."""
    _remove_leftovers()
    try:
        return build_meta.build_wheel(
            wheel_directory, config_settings, metadata_directory
        )
    finally:
        _remove_leftovers()


def _remove_leftovers() -> None:
    build = Path("build")
    for leftover in (build / "lib", *build.glob("bdist.*")):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        build.rmdir()
    except OSError:
        pass  # absent, or it holds something that is not ours
