"""Griffe extension: what Keras' docstrings have beyond Google's.

Google's parser knows Args, Returns and Raises. Of "Input shape:" it makes a box, of
the lines of "Call arguments:" one paragraph; an "Example:" whose `>>>` stand at the
margin, as Keras writes it, Markdown takes for a quotation.
"""

import re
from textwrap import dedent, indent
from typing import Any

from griffe import Extension, Object

# Up to the next title at the margin, or the end.
_NEXT = r"(?=^[A-Z][\w ]+:$|\Z)"
_EXAMPLE = re.compile(rf"^Examples?:\n\n?((?:>>>|```).*?){_NEXT}", re.M | re.S)
_SECTION = re.compile(
    rf"^(Input shape|Output shape|Reference|Call arguments):\n(    .*?){_NEXT}",
    re.M | re.S,
)
_ENTRY = re.compile(r"^(\w+): ", re.M)
_LIST = re.compile(r"(^(?! *(?:- |>>>)) *\S[^\n]*\n)(?= *- )", re.M)


def _example(found: re.Match[str]) -> str:
    """Under Google's word, and indented."""
    return f"Examples:\n{indent(found[1].rstrip(), '    ')}\n\n"


def _section(found: re.Match[str]) -> str:
    """A title in bold, as those that the parser knows have."""
    title, text = found[1], dedent(found[2]).strip()
    if title == "Call arguments":
        text = _ENTRY.sub(r"- **`\1`** – ", text).replace("\n", "\n  ")
        text = text.replace("\n  - ", "\n- ")
    return f"**{title}:**\n\n{text}\n\n"


def readable(text: str) -> str:
    """The docstring as Google's parser and Markdown read it rightly."""
    text = _EXAMPLE.sub(_example, text)
    text = _SECTION.sub(_section, text)
    # Markdown wants a blank line before a list.
    return _LIST.sub(r"\1\n", text)


class KerasDocstrings(Extension):
    """Applied to every docstring as it is read."""

    def on_instance(self, *, obj: Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = readable(obj.docstring.value)
