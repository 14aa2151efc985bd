"""Every code block of every page runs, and prints what the page says."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import keras
import pytest

from keras_diffmask import graph
from keras_diffmask.graph import proof, removal, rule
from tests.docs import pages

#: Blocks that are not run, by page: how often, and why.
BY_HAND = {
    "guides/budgets.md": ["it takes half a minute"],
    "guides/from_tfmot.md": ["it needs tfmot and Keras 2"] * 3,
}
MARKS = {None, "by hand", "prints"}
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
RUNNING = [name for name in pages.names() if pages.blocks(name)]
# These wait for TFLite's converter.
SLOW = {"guides/files.md", "guides/quantization.md", "guides/recurrent.md"}


@pytest.fixture(autouse=True)
def a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator:
    """A page may write files, and register rules and classes."""
    monkeypatch.chdir(tmp_path)
    custom = dict(keras.saving.get_custom_objects())
    yield
    keras.saving.get_custom_objects().clear()
    keras.saving.get_custom_objects().update(custom)
    keras.utils.clear_session()


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in RUNNING],
)
def test_its_blocks_run_and_print_what_it_says(name: str) -> None:
    found = pages.filled(name)
    assert found == (pages.DOCS / name).read_text("utf-8"), (
        f"Run `python -m tests.docs.pages {name}` and look at what changed."
    )


def test_every_block_is_run_or_says_why_not() -> None:
    by_hand: dict[str, list[str]] = {}
    for name in RUNNING:
        for block in pages.blocks(name):
            assert block.mark in MARKS, f"{name}: {block.mark}"
            if block.mark == "by hand":
                by_hand.setdefault(name, []).append(str(block.word))
            elif block.mark == "prints":
                assert block.kind == "text", name
            else:
                assert block.kind in ("python", "sh", "text"), f"{name}: {block.kind}"
    assert by_hand == BY_HAND


def test_links_lead_somewhere() -> None:
    """Also where a page is read in the repository, not on the site."""
    for name in pages.names():
        page = pages.DOCS / name
        for target in _LINK.findall(page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{name}: {target}"


def reasons() -> set[str]:
    """What the channel graph says of units that stay, without the layers' names."""
    found = {proof._TIED, removal.LAST_UNIT, f"{rule.BORDER} of *"}
    for file in Path(graph.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                reason = "".join(_part(value) for value in node.values)
                names_the_layer = "{step.name}" in ast.unparse(node)
                if names_the_layer and reason.startswith(("* ", "the ")):
                    found.add(reason)
    return found


def _part(value: ast.expr) -> str:
    return str(value.value) if isinstance(value, ast.Constant) else "*"


def test_every_reason_is_on_the_page() -> None:
    text = (pages.DOCS / "guides" / "why_not_pruned.md").read_text("utf-8")
    plain = " ".join(text.replace("> ", "").split())
    found = reasons()
    assert len(found) > 40
    for reason in found:
        # What stands in for a name may be anything short.
        pattern = re.escape(reason).replace(r"\*", ".{1,40}?")
        assert re.search(pattern, plain), reason


def test_the_estimators_have_the_measured_figures() -> None:
    measured = json.loads((pages.DOCS / "compare.json").read_text("utf-8"))["rows"]
    text = (pages.DOCS / "guides" / "estimators.md").read_text("utf-8")
    for row in measured[1:]:
        name, what = row["method"].rstrip(")").split(" (")
        points = row["verdict"].split()[0]
        assert f"| `{name}`, {what} | {points} |" in text
