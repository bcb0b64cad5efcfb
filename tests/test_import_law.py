"""Imports point one way: every package may import those before it, and a few know the heavy libraries."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import evocache

ROOT = Path(evocache.__file__).parent
FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))

RANKS = {
    "errors": 0,
    "units": 0.5,
    "user_warnings": 0.5,
    "extras": 0.5,
    "tables": 0.5,
    "display": 0.5,
    "clusters": 0.6,
    "schedule": 1,
    "model": 2,
    "policies": 3,
    "memory": 3,
    "video": 3.5,
    "runtime": 4,
    "loading": 4.5,
    "metrics": 5,
    "search": 6,
    "usage": 6,
    "validation": 6.3,
    "evolve_run": 6.6,
    "report": 7,
    "serve": 8,
    "cli": 8.5,
    "__main__": 9,
}
"""`a` may import `b` if `b` ranks lower. Packages of one rank do not know each other."""

BESIDE = {"zoo": {"errors"}, "loading": {"zoo"}, "cli": {"zoo"}}
"""The zoo stands outside the order: it imports nothing but errors; loading and the command line alone import it."""

HEAVY = {"torch", "diffusers", "transformers", "accelerate", "safetensors"}
TORCHLESS = ("schedule", "policies", "usage", "report")
HOMES = {
    "diffusers": ("model", "runtime", "loading", "zoo", "cli", "search/evaluate"),
    "ray": ("search/evaluate/ray", "serve"),
    "fastapi": ("serve/api", "serve/web"),
}
"""The only places that know a library."""


def imports(file: str) -> list[tuple[str, bool]]:
    """Absolute names of the modules that a file imports, and whether only for type checkers."""
    return imported(file, (ROOT / file).read_text())


@cache
def imported(file: str, text: str) -> list[tuple[str, bool]]:
    """The same of the text of a file."""
    return [*_imports(file, ast.parse(text))]


def _imports(file: str, tree: ast.Module) -> Iterator[tuple[str, bool]]:
    package = ["evocache", *Path(file).parent.parts]
    guarded = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in guarded
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *(node.module.split(".") if node.module else [])])
            for alias in node.names:
                yield (f"{name}.{alias.name}" if name == "evocache" else name), id(node) in guarded


def part_of(file: str) -> str:
    """The package, or the module at the root, that a file belongs to."""
    return Path(file).parts[0].removesuffix(".py")


def test_the_law_speaks_of_every_part():
    parts = {part_of(file) for file in FILES} - {"__init__"}
    assert parts <= RANKS.keys() | BESIDE.keys()
    assert {"schedule", "model", "policies", "memory", "runtime", "zoo", "cli"} <= parts


def test_imports_point_one_way():
    assert [said for file in FILES if file != "__init__.py" for said in backwards(file)] == []


def backwards(file: str) -> Iterator[str]:
    """What a file imports of packages that do not rank lower."""
    own = part_of(file)
    allowed = {own, *BESIDE.get(own, ()), *(part for part, rank in RANKS.items() if rank < RANKS.get(own, 0))}
    for name, _ in imports(file):
        other = name.split(".")[1] if name.startswith("evocache.") else own
        if other not in allowed and not other.startswith("_"):
            yield f"{file} imports {name}"


def test_heavy_libraries_stay_where_they_belong():
    assert [said for file in FILES for said in misplaced(file)] == []


def misplaced(file: str) -> Iterator[str]:
    """Heavy libraries that a file imports at run time, and should not know."""
    banned = set(HEAVY) if part_of(file) in TORCHLESS else set()
    banned |= {library for library, homes in HOMES.items() if not file.startswith(homes)}
    names = {name.split(".")[0] for name, type_only in imports(file) if not type_only}
    for name in sorted(names & banned):
        yield f"{file} imports {name}"


def test_a_violation_is_seen(monkeypatch, tmp_path):
    """Both rules name the file and the module, and those that only type checkers see are no heavy ones."""
    texts = {
        "schedule/wrong.py": "import torch\nfrom ..runtime import x\nif TYPE_CHECKING:\n    import diffusers\n",
        "memory/wrong.py": "def f():\n    import diffusers.hooks\n    import ray\n",
        "memory/right.py": "import torch\nfrom ..schedule import Tree\nfrom evocache.model import discover\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert [said for file in texts for said in backwards(file)] == ["schedule/wrong.py imports evocache.runtime"]
    assert [said for file in texts for said in misplaced(file)] == [
        "schedule/wrong.py imports torch",
        "memory/wrong.py imports diffusers",
        "memory/wrong.py imports ray",
    ]
