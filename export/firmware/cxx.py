"""Names, numbers and arrays as C++ writes them."""

import re
import textwrap

import numpy as np

from keras_diffmask.errors import ArtifactError
from keras_diffmask.export.firmware.global_names import is_global

#: NumPy's name of a type -> C++'s.
TYPES = {
    "bool": "bool",
    "float32": "float",
    "int8": "std::int8_t",
    "uint8": "std::uint8_t",
    "int16": "std::int16_t",
    "int32": "std::int32_t",
    "int64": "std::int64_t",
}
_KEYWORDS = frozenset(
    """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char class
    compl concept const consteval constexpr constinit const_cast continue decltype
    default delete do double dynamic_cast else enum explicit export extern false float
    for friend goto if inline int long main mutable namespace new noexcept not not_eq
    nullptr operator or or_eq private protected public register reinterpret_cast
    requires return short signed sizeof static static_assert static_cast std struct
    switch template tflite this thread_local throw true try typedef typeid typename
    union unsigned using virtual void volatile wchar_t while xor xor_eq
    """.split()
)
_WIDTH = 88


def identifier(name: str) -> str:
    """A name that C++ takes, as near to `name` as can be.

    Args:
        name: any text.

    Returns:
        ASCII letters, digits and single underscores; never a keyword, nor a name
        of C's library, with which a namespace would clash.

    Example:
        >>> identifier("2-layer net (v1.0)")
        'model_2_layer_net_v1_0'
    """
    # Two underscores in a row, and one in front, are the compiler's.
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:60].rstrip("_")
    if not plain or plain[0].isdigit():
        plain = f"model_{plain}".rstrip("_")
    is_taken = plain in _KEYWORDS or is_global(plain)
    return f"{plain}_model" if is_taken else plain


def comment(text: str) -> str:
    """A text as comment lines; what could end or continue one is replaced."""
    plain = re.sub(r"[^ -\[\]-~]", "?", text)
    return "\n".join(f"// {line}" for line in textwrap.wrap(plain, _WIDTH - 3))


def type_of(dtype: str, name: str) -> str:
    """C++'s name of a tensor's type.

    Raises:
        ArtifactError: there is none.
    """
    if dtype not in TYPES:
        raise ArtifactError(
            f"tensors of the types {', '.join(TYPES)}",
            f"{dtype} at '{name}'",
            "Convert the model with to_tflite, which writes such inputs and outputs.",
        )
    return TYPES[dtype]


def real(value: float) -> str:
    """A float literal that reads back as the same float."""
    value = float(np.float32(value))
    if not np.isfinite(value):
        name = "quiet_NaN" if np.isnan(value) else "infinity"
        sign = "-" if value < 0 else ""
        return f"{sign}std::numeric_limits<float>::{name}()"
    text = f"{value:.9g}"
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def numbers(values: np.ndarray) -> str:
    """The elements of an array, in lines, with commas."""
    flat = np.ravel(values)
    if flat.dtype.kind == "f":
        words = [real(value) for value in flat]
    elif flat.dtype.kind == "b":
        words = ["true" if value else "false" for value in flat]
    else:
        words = [str(int(value)) for value in flat]
    return _lines(words)


def hexadecimal(content: bytes) -> str:
    """Bytes as an array's elements, in lines, with commas."""
    return _lines([f"0x{byte:02x}" for byte in content])


def _lines(words: list[str]) -> str:
    lines, line = [], "   "
    for word in words:
        if len(line) + len(word) + 2 > _WIDTH:
            lines.append(line)
            line = "   "
        line += f" {word},"
    return "\n".join([*lines, line])
