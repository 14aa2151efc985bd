"""MkDocs hook: the README and the examples, which lie outside of docs/.

Links are written as they work in the repository, `../README.md`; here they lose
the step that leads out of docs/.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
_OUT_OF_DOCS = re.compile(r"\]\(((?:\.\./)*)\.\./(README\.md|examples/)")
_WIDE = ("support_matrix.md", "layer_support.md")
_TITLE = "# keras_diffmask\n"


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Adds them: both READMEs as pages, the scripts as they are."""
    text = (ROOT / "README.md").read_text("utf-8")
    text = text.replace("](docs/", "](").replace(_TITLE, "# The README\n", 1)
    files.append(File.generated(config, "readme.md", content=text))
    for script in sorted((ROOT / "examples").glob("*.*")):
        uri = f"examples/{script.name}"
        files.append(File.generated(config, uri, abs_src_path=str(script)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links out of docs/ lead to what `on_files` added; wide tables get the room."""
    if page.file.src_uri in _WIDE:
        page.meta["hide"] = ["toc"]
    if page.file.src_uri.startswith("examples/"):
        # It lies beside docs/, and here in it.
        return markdown.replace("](../docs/", "](../").replace(
            "](../README", "](../readme"
        )

    def here(found: re.Match[str]) -> str:
        return f"]({found[1]}{found[2].replace('README', 'readme')}"

    return _OUT_OF_DOCS.sub(here, markdown)
