"""Arrays of examples in files, with the shell's words in the errors."""

from typing import Any

from keras_diffmask.errors import ArtifactError


def read_arrays(path: str, what: str) -> Any:
    """Reads a .npy file, or a .npz file with one array per input name.

    Args:
        path: the file.
        what: what the examples are for, such as "calibration data".

    Returns:
        An array, or a dict of arrays by name.

    Raises:
        ArtifactError: it cannot be read, or holds pickled objects.
    """
    import numpy as np

    try:
        with open(path, "rb") as file:
            # Pickles are programs: never run one that came as data.
            stored = np.load(file, allow_pickle=False)
            return stored if isinstance(stored, np.ndarray) else dict(stored)
    except Exception as error:  # zlib, tokenize, zipfile: each part has its own kind
        reason = getattr(error, "strerror", None) or str(error).split("\n")[0]
        raise ArtifactError(
            f"{what} in a .npy or .npz file",
            f"{path!r} ({reason or type(error).__name__})",
            "Write one with numpy.save('x.npy', x[:256]).",
        ) from error
