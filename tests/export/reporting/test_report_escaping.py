"""Names with markup in them, in every written form."""

import re
import shlex
from html.parser import HTMLParser

import pytest

from keras_diffmask.export.reporting.escape import (
    Markup,
    code,
    join,
    markdown,
    plain,
    tag,
    text,
)
from tests.export.reporting.samples import HOSTILE, full, hostile

VOID = {"br", "col", "hr", "img", "link", "meta", "wbr"}
OURS = {
    "a", "b", "body", "caption", "circle", "code", "dd", "desc", "details", "div",
    "dl", "dt", "figcaption", "figure", "footer", "h1", "h2", "h3", "head", "header",
    "html", "i", "li", "line", "link", "main", "meta", "nav", "p", "polyline", "pre",
    "rect", "section", "span", "style", "summary", "svg", "table", "tbody", "td",
    "text", "th", "thead", "title", "tr", "ul", "wbr",
}  # fmt: skip


class Reader(HTMLParser):
    """Checks that elements are closed in order, and collects what there is."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.names: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def test_a_page_has_no_element_that_is_not_ours() -> None:
    found = read(hostile().to_html())
    assert found.names == OURS & found.names
    assert {"table", "svg", "details", "circle"} <= found.names


def test_no_attribute_runs_or_loads_anything() -> None:
    for name, value in read(hostile().to_html()).attributes:
        assert not name.startswith("on")
        assert name not in ("src", "srcdoc", "action", "formaction", "xlink:href")
        if name == "href":
            assert value == "data:," or re.fullmatch(r"#[a-z0-9-]+", value or "")


def test_hostile_text_is_shown_as_it_is() -> None:
    shown = " ".join(" ".join(read(hostile().to_html()).texts).split())
    for word in HOSTILE:
        assert " ".join(plain(word).split()) in shown


def test_the_page_is_utf8_whatever_the_names() -> None:
    for made in (hostile().to_html(), hostile().to_markdown()):
        encoded = made.encode("utf-8")
        assert b"\x07" not in encoded and "\u202e".encode() not in encoded


def test_every_drawing_says_what_it_shows_or_is_an_ornament() -> None:
    page = full().to_html()
    drawings = re.findall(r"<svg ([^>]*)>(<title>[^<]+</title>)?(<desc>)?", page)
    told = [attributes for attributes, title, desc in drawings if title and desc]
    assert len(told) >= 8 and all('role="img"' in one for one in told)
    silent = [one for one, title, _ in drawings if not title]
    assert silent and all(
        'aria-hidden="true"' in one or "viewBox" in one for one in silent
    )


def test_every_table_has_heads_for_rows_and_columns() -> None:
    page = full().to_html()
    tables = re.findall(r"<table.*?</table>", page)
    assert len(tables) >= 6
    for table in tables:
        assert 'scope="col"' in table and 'scope="row"' in table


def test_a_path_is_quoted_for_the_shell() -> None:
    path = hostile().models[0].path
    shown = " ".join(" ".join(read(hostile().to_html()).texts).split())
    assert " ".join(plain(shlex.quote(path)).split()) in shown
    assert shlex.split(shlex.quote(path)) == [path]


def test_rows_of_a_markdown_table_stay_rows() -> None:
    lines = hostile().to_markdown().splitlines()
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in lines]
    for line, width, below in zip(lines, widths, widths[1:], strict=False):
        if line.startswith("|") and below:
            assert width == below, line


@pytest.mark.parametrize("sign", list("\\`*_{}[]<>#|~&$@"))
def test_markdown_signs_are_escaped(sign: str) -> None:
    assert markdown(f"a{sign}b") == f"a\\{sign}b"


def test_markdown_starts_no_list() -> None:
    assert markdown("- a") == "\\- a" and markdown("1. a") == "1\\. a"
    assert markdown("a - b: (c)") == "a - b: (c)"


def test_markdown_code_outlasts_its_backticks() -> None:
    assert code("a `b` ``c``") == "``` a `b` ``c`` ```"
    assert code("a|b") == "`a\\|b`"
    assert code("") == ""


def test_only_markup_is_left_alone() -> None:
    assert text("<b>&'\"") == "&lt;b&gt;&amp;&#x27;&quot;"
    assert text(Markup("<b>")) == "<b>"
    assert tag("td", "<", title='"', hidden=True, id=None, class_="a") == (
        '<td title="&quot;" hidden class="a">&lt;</td>'
    )
    assert tag("meta", aria_hidden="x") == '<meta aria-hidden="x">'
    assert join("a ", None, tag("b", "&")) == "a <b>&amp;</b>"
