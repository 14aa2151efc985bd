"""The pages of the reference have every public name."""

import importlib
import re
from types import ModuleType

import pytest

from tests.docs import reference

modules = pytest.mark.parametrize("module", reference.MODULES)


def test_the_committed_pages_are_what_the_sources_say() -> None:
    found = {p.name: p.read_text("utf-8") for p in reference.FOLDER.glob("*.md")}
    assert found == reference.pages(), (
        "Run `python -m tests.docs.reference` and commit docs/reference/."
    )


@modules
def test_every_name_that_users_can_write_has_an_entry(module: str) -> None:
    text = (reference.FOLDER / reference.file_name(module)).read_text("utf-8")
    entries = {line.rpartition(".")[2] for line in re.findall("^::: (.+)$", text, re.M)}
    loaded = importlib.import_module(module)
    listed = getattr(loaded, "__all__", None)
    # Without `__all__`: what lies there and is the library's own.
    public = listed or [
        name
        for name, value in vars(loaded).items()
        if not name.startswith("_")
        and not isinstance(value, ModuleType)
        and getattr(value, "__module__", "").startswith(module)
    ]
    assert public, module
    assert set(public) <= entries, sorted(set(public) - entries)


@modules
def test_every_entry_can_be_imported(module: str) -> None:
    loaded = importlib.import_module(module)
    for name in reference.public_names(module):
        assert hasattr(loaded, name), f"{module}.{name}"
