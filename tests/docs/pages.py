"""The pages of the site, and their code blocks, run in order in one namespace.

`python -m tests.docs.pages PAGE` writes into one what its blocks print now.
"""

import contextlib
import io
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(
    r"(?:<!-- (?P<mark>[\w -]+?)(?:: (?P<word>[^>]+))? -->\n)?"
    r"```(?P<kind>\w*)\n(?P<text>.*?)```",
    re.S,
)
#: Pages with a test of their own, which stands in for devices.
APART = {"put_it_on_a_microcontroller.md", "put_it_on_a_phone.md"}


@dataclass(frozen=True)
class Block:
    """One block of a page.

    Attributes:
        mark: of the comment before it: None; "by hand" is not run, and says why;
            "prints" is what the block before it prints.
        word: what the comment says behind the mark.
        kind: "python", "sh" or "text".
        text: what stands in it.
    """

    mark: str | None
    word: str | None
    kind: str
    text: str


def names() -> list[str]:
    """The pages that are written by hand, by their paths in docs/."""
    files = [*DOCS.glob("*.md"), *DOCS.glob("guides/*.md"), *DOCS.glob("papers/*.md")]
    return sorted({str(file.relative_to(DOCS)) for file in files} - APART)


def blocks(name: str) -> list[Block]:
    text = (DOCS / name).read_text("utf-8")
    return [Block(**found.groupdict()) for found in _BLOCK.finditer(text)]


def _shell(text: str) -> None:
    """The lines of a shell that are this library's, in this process."""
    from keras_diffmask.export import cli

    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        assert words[0] == "keras-diffmask", line
        assert cli.main(words[1:]) == 0, line


def run(name: str) -> list[tuple[Block, str]]:
    """Run a page; return each block that ran, with what it printed."""
    import keras

    keras.utils.clear_session()  # names of layers are counted from here
    keras.utils.set_random_seed(0)
    space: dict = {"__name__": "page"}
    done = []
    for number, block in enumerate(blocks(name)):
        if block.mark is not None or block.kind not in ("python", "sh"):
            continue
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            if block.kind == "sh":
                _shell(block.text)
            else:
                exec(compile(block.text, f"{name}, block {number}", "exec"), space)
        done.append((block, printed.getvalue()))
    return done


def filled(name: str) -> str:
    """The page, with what its blocks print now."""
    text, place = (DOCS / name).read_text("utf-8"), 0
    for block, printed in run(name):
        place = text.index(block.text, place) + len(block.text)
        follows = _PRINTS.match(text, place)
        if follows:
            text = text[:place] + follows[1] + printed + text[follows.end(2) :]
    return text


_PRINTS = re.compile(r"(```\n\n<!-- prints -->\n```text\n)(.*?)(?=```)", re.S)

if __name__ == "__main__":
    for _name in sys.argv[1:]:
        (DOCS / _name).write_text(filled(_name), "utf-8")
