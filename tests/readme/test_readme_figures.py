"""What the README states of measurements is what the committed JSON holds."""

import re

import pytest

from tests.readme.sentences import SENTENCES
from tests.readme.tables import README, ROOT, TABLES, load

TEXT = README.read_text("utf-8")
FLAT = " ".join(TEXT.split())
#: A measured figure, and not the number of a paper.
DECIMAL = r"(?<!\d)\d{1,3}\.\d\d(?!\d)"
#: Of one run of a command that a reader repeats in minutes; none of it is committed.
OF_ONE_COMMAND = {
    ("", "dense", "pruned", "pruned int8", "same widths from scratch"),
    (
        *("penalty per channel", "channels kept", "validation accuracy %"),
        "test accuracy %, masked = stripped",
    ),
}


def _tables() -> dict[tuple[str, ...], list[tuple[str, ...]]]:
    """Header -> rows of every table of the README."""
    found = {}
    for block in re.findall(r"(?:^\|.*\|\n)+", TEXT, re.MULTILINE):
        lines = [
            tuple(cell.strip() for cell in line.strip()[1:-1].split("|"))
            for line in block.splitlines()
        ]
        found[lines[0]] = lines[2:]
    return found


@pytest.mark.parametrize("header", TABLES, ids=lambda header: header[0] or header[1])
def test_a_table_is_that_of_its_file(header):
    path, rows_of = TABLES[header]
    assert _tables()[header] == rows_of(load(path))


@pytest.mark.parametrize("path", SENTENCES)
def test_a_sentence_is_that_of_its_file(path):
    for sentence in SENTENCES[path](load(path)):
        assert sentence in FLAT


def test_every_committed_file_is_held_to():
    """A table beside a file of figures that nobody compares would age unseen."""
    named = set(re.findall(r"\]\((docs/[\w.-]+\.json)\)", TEXT))
    known = {path for path, _ in TABLES.values()} | set(SENTENCES)
    assert named <= known
    assert {path for path in known if path.startswith("docs/")} <= named
    committed = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.json")}
    assert committed == named


def test_tables_of_figures_are_all_known():
    """Numbers with a decimal point in two rows or more: measured, or said why not."""
    known = {*TABLES, *OF_ONE_COMMAND}
    for header, rows in _tables().items():
        decimals = sum(bool(re.search(DECIMAL, " ".join(row))) for row in rows)
        assert decimals < 2 or header in known, header
