"""What the README and docs/figures.md state is what the committed JSON holds."""

import re

import pytest

from tests.readme.sentences import SENTENCES
from tests.readme.tables import FIGURES, README, ROOT, TABLES, load

#: The README, and the page with the tables that it has no room for.
PAGES = {README: "docs/", FIGURES: ""}
TEXT = "\n".join(page.read_text("utf-8") for page in PAGES)
FLAT = " ".join(TEXT.split())
#: A measured figure, and not the number of a paper.
DECIMAL = r"(?<!\d)\d{1,3}\.\d\d(?!\d)"
#: Of one run of a command that a reader repeats in minutes; none of it is committed.
OF_ONE_COMMAND = {
    (
        *("penalty per channel", "channels kept", "validation accuracy %"),
        "test accuracy %, masked = stripped",
    ),
}


Table = tuple[tuple[str, ...], list[tuple[str, ...]]]


def _tables() -> list[Table]:
    """Header and rows of every table; one may stand on both pages."""
    found = []
    for block in re.findall(r"(?:^\|.*\|\n)+", TEXT, re.MULTILINE):
        lines = [
            tuple(cell.strip() for cell in line.strip()[1:-1].split("|"))
            for line in block.splitlines()
        ]
        found.append((lines[0], lines[2:]))
    return found


@pytest.mark.parametrize("header", TABLES, ids=lambda header: header[0] or header[1])
def test_a_table_is_that_of_its_file(header):
    path, rows_of = TABLES[header]
    found = [rows for one, rows in _tables() if one == header]
    assert found and all(rows == rows_of(load(path)) for rows in found)


@pytest.mark.parametrize("path", SENTENCES)
def test_a_sentence_is_that_of_its_file(path):
    for sentence in SENTENCES[path](load(path)):
        assert sentence in FLAT


def test_the_readme_says_nothing_that_the_figures_do_not():
    """Its sentences are shorter, so that only their numbers are compared."""
    text = re.sub(
        r"```.*?```|^\|.*?$", "", README.read_text("utf-8"), flags=re.S | re.M
    )
    text = re.sub(r"(Python|to|torch) [\d.]+", "", text)  # versions
    said = set(re.findall(DECIMAL, text))
    assert len(said) > 5
    assert said <= set(re.findall(DECIMAL, FIGURES.read_text("utf-8")))


def test_every_committed_file_is_held_to():
    """A table beside a file of figures that nobody compares would age unseen."""
    named = {
        f"docs/{name}"
        for page, folder in PAGES.items()
        for name in re.findall(
            rf"\]\({folder}([\w.-]+\.json)\)", page.read_text("utf-8")
        )
    }
    known = {path for path, _ in TABLES.values()} | set(SENTENCES)
    assert named <= known
    assert {path for path in known if path.startswith("docs/")} <= named
    committed = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.json")}
    assert committed == named


def test_tables_of_figures_are_all_known():
    """Numbers with a decimal point in two rows or more: measured, or said why not."""
    known = {*TABLES, *OF_ONE_COMMAND}
    for header, rows in _tables():
        decimals = sum(bool(re.search(DECIMAL, " ".join(row))) for row in rows)
        assert decimals < 2 or header in known, header
