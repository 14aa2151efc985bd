"""Text that comes from elsewhere, made harmless where it is put.

A layer or a file may be called `<img onerror=...>`. HTML and SVG are only put
together by `tag`, which escapes every string that is no `Markup`.
"""

import html
import re
import unicodedata

_ENDLESS = ("area", "br", "col", "hr", "img", "link", "meta", "wbr")
# What Markdown, or the HTML that it lets through, would take for a sign; at the
# start of a line it takes bullets and numbers too.
_SIGNS = re.compile(r"([\\`*_{}\[\]<>#|~&$@]|^[-+]|(?<=^\d)[.)](?= ))")


class Markup(str):
    """HTML that `tag` has put together; it is not escaped again."""

    __slots__ = ()


def plain(text: object) -> str:
    """Text in one line, without what is invisible or turns its direction round.

    Control characters, lone surrogates (of file names that are no UTF-8) and
    marks of direction become the sign for an unknown character.
    """
    line = re.sub(r"\s+", " ", str(text))
    return "".join(
        "\ufffd" if unicodedata.category(one) in ("Cc", "Cf", "Cs") else one
        for one in line
    )


def text(value: object) -> Markup:
    """A value as HTML text, also within quotes."""
    if isinstance(value, Markup):
        return value
    return Markup(html.escape(plain(value), quote=True))


def tag(name: str, /, *inside: object, **attributes: object) -> Markup:
    """An element of HTML or SVG.

    Args:
        name: of the element.
        inside: its content; what is no `Markup` is escaped, None left out.
        attributes: their values are escaped, None left out and True written
            without one. A `_` at the end goes, others become `-`: `class_`,
            `aria_hidden`. (`viewBox` is written as it is.)
    """
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        word = key.rstrip("_").replace("_", "-")
        words.append(word if value is True else f'{word}="{text(value)}"')
    content = join(*inside)
    if name in _ENDLESS:
        return Markup(f"<{' '.join(words)}>")
    return Markup(f"<{' '.join(words)}>{content}</{name}>")


def join(*parts: object) -> Markup:
    """Parts one after the other; what is no `Markup` is escaped, None left out."""
    return Markup("".join(text(part) for part in parts if part is not None))


def breakable(path: str) -> Markup:
    """A name with slashes that may go on in the next line after each of them."""
    *before, last = path.split("/")
    return join(*(join(f"{part}/", tag("wbr")) for part in before), last)


def markdown(value: object) -> str:
    """A value as Markdown text, also within a table."""
    return _SIGNS.sub(r"\\\1", plain(value))


def code(value: object) -> str:
    """A value as Markdown code, also within a table, whatever backticks it has."""
    content = plain(value).replace("|", "\\|")
    longest = max((len(run) for run in re.findall("`+", content)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if content.startswith("`") or content.endswith("`") else ""
    return f"{fence}{pad}{content}{pad}{fence}" if content else ""
