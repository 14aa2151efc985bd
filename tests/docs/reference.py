"""Writes docs/reference/*.md: `python -m tests.docs.reference`.

One page per public module, one entry per public name: those of `__all__`, or,
where there is none, those that the module defines or re-exports as `x as x`.
Read out of the sources, so that nothing is imported.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "reference"

#: Public modules, in the order of the pages' list, and what one looks there for.
MODULES = {
    "keras_diffmask": "mask a model, say a budget, look at what is kept",
    "keras_diffmask.layers": "masked layers, to build a model by hand",
    "keras_diffmask.estimators": "from gate logits to a mask, one paper each",
    "keras_diffmask.regularizers": "penalties on gates, where there is no budget",
    "keras_diffmask.schedules": "constants that change with the training step",
    "keras_diffmask.costs": "what a budget counts: MACs, flash, RAM, latency",
    "keras_diffmask.quantizers": "the device's integers in training",
    "keras_diffmask.callbacks": "callbacks for `fit`; none is needed",
    "keras_diffmask.metrics": "how sure the rows of a `TopK` are",
    "keras_diffmask.plots": "figures (matplotlib)",
    "keras_diffmask.targets": "devices as data",
    "keras_diffmask.graph": "which channels live and die together; rules for layers",
    "keras_diffmask.errors": "what is raised",
    "keras_diffmask.export": "plan, strip, convert, verify, benchmark, report",
}


# Masked layers document what they take through **kwargs.
_THROUGH_KWARGS = """\
    options:
      docstring_options:
        warn_unknown_params: false
        warn_missing_types: false
"""


def source(module: str) -> Path:
    """The file of a module."""
    name = module.replace("keras_diffmask.export", "export").replace(".", "/")
    package = ROOT / name / "__init__.py"
    return package if package.exists() else ROOT / f"{name}.py"


def _defined(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.ClassDef | ast.FunctionDef):
        return [statement.name]
    if isinstance(statement, ast.ImportFrom):
        return [a.name for a in statement.names if a.asname == a.name]
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        ends = getattr(statement, "targets", None) or [statement.target]
        return [end.id for end in ends if isinstance(end, ast.Name)]
    if isinstance(statement, ast.If):
        return [name for inner in statement.body for name in _defined(inner)]
    return []


def public_names(module: str) -> list[str]:
    """What users may write behind the module's name."""
    tree = ast.parse(source(module).read_text("utf-8"))
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and _defined(statement) == ["__all__"]:
            return ast.literal_eval(statement.value)
    names = [name for statement in tree.body for name in _defined(statement)]
    hidden = {"IS_COMMAND_LINE"}
    modules = {m.rpartition(".")[2] for m in MODULES}
    return [n for n in names if n[0] != "_" and n not in hidden | modules]


def identifier(module: str, name: str) -> str:
    """What mkdocstrings finds the name by.

    As users write it; but where a module on the way bears the name as well, that of
    the definition, for griffe would show the module.
    """
    places = [module]
    while True:
        tree = ast.parse(source(places[-1]).read_text("utf-8"))
        imports = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
        found = [n.module for n in imports if name in [a.name for a in n.names]]
        if not found or not found[0]:
            break
        places.append(found[0])
    is_shadowed = any(source(f"{place}.{name}").exists() for place in places)
    return f"{places[-1] if is_shadowed else module}.{name}"


def _order(name: str) -> tuple[bool, bool, str]:
    """Classes, then functions, then constants."""
    return name.isupper(), name[0].islower(), name


def page(module: str) -> str:
    """The text of a module's page; mkdocstrings fills it in."""
    head = f"# {module}\n\n::: {module}\n    options:\n      members: []\n"
    head += "      show_root_heading: false\n      show_root_toc_entry: false\n"
    options = _THROUGH_KWARGS if module.endswith(".layers") else ""
    names = sorted(public_names(module), key=_order)
    entries = [f"\n::: {identifier(module, name)}\n{options}" for name in names]
    return head + "".join(entries)


def file_name(module: str) -> str:
    return f"{module.removeprefix('keras_diffmask.')}.md"


def index() -> str:
    """The list of the pages."""
    lines = [
        "# Reference",
        "",
        "Made out of the docstrings: `python -m tests.docs.reference`.",
        "",
        "| module | for |",
        "|---|---|",
    ]
    for module, what in MODULES.items():
        lines.append(f"| [`{module}`]({file_name(module)}) | {what} |")
    return "\n".join(lines) + "\n"


def pages() -> dict[str, str]:
    """File name -> text, of every page of the reference."""
    return {"index.md": index()} | {file_name(m): page(m) for m in MODULES}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, "utf-8")
