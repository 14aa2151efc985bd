"""Optional packages: asked for by name before anything takes time."""

import importlib.util
from collections.abc import Mapping

from keras_diffmask.errors import MissingDependencyError

#: How tflite-micro is installed, as messages say it.
INSTALL_TFLM = (
    "Install the extra `tflm`, or `pip install --pre tflite-micro` (Linux on x86-64)"
)


def require_installed(packages: Mapping[str, str], purpose: str, extra: str) -> None:
    """Refuse an environment that lacks a package; imports none.

    Args:
        packages: module -> the package that brings it.
        purpose: what they are for, as in "which reads ...".
        extra: the extra of this library that brings all of them.

    Raises:
        MissingDependencyError: naming the first that is missing.
    """
    for module, package in packages.items():
        if importlib.util.find_spec(module) is None:
            raise MissingDependencyError(
                f"{package} to be installed, {purpose}",
                "an environment without it",
                f"Install it with `pip install {package}`, or all that is needed "
                f"with `pip install 'keras-diffmask[{extra}]'`.",
            )


def missing_tflm() -> MissingDependencyError:
    """What is raised where tflite-micro is asked for and not installed."""
    return MissingDependencyError(
        "tflite-micro, which is TFLM's own interpreter, to be installed",
        "an environment without it",
        f"{INSTALL_TFLM}.",
    )
