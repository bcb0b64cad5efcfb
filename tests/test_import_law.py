"""Imports point one way: every package may import those before it, and a few know the heavy libraries."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import evocache

ROOT = Path(evocache.__file__).parent
FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))

RANKS = {
    "errors": 0,
    "schedule": 1,
    "model": 2,
    "policies": 3,
    "memory": 3,
    "runtime": 4,
    "metrics": 5,
    "search": 6,
    "usage": 6,
    "report": 7,
    "serve": 8,
    "cli": 8,
}
"""`a` may import `b` if `b` ranks lower. Packages of one rank do not know each other."""

BESIDE = {"zoo": {"errors"}, "cli": {"zoo"}}
"""The zoo stands outside the order: it imports nothing but errors, and only the command line imports it."""

HEAVY = {"torch", "diffusers", "transformers", "accelerate", "safetensors"}
TORCHLESS = ("schedule", "policies", "usage", "report")
KNOW_DIFFUSERS = ("model", "runtime", "memory/decode", "zoo", "cli", "search/evaluate")


def imports(file: str) -> Iterator[tuple[str, bool]]:
    """Absolute names of the modules that a file imports, and whether only for type checkers."""
    tree = ast.parse((ROOT / file).read_text())
    package = ["evocache", *Path(file).parent.parts]
    guarded = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
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


@pytest.mark.parametrize("file", [file for file in FILES if file != "__init__.py"])
def test_imports_point_one_way(file):
    own = part_of(file)
    for name, _ in imports(file):
        if not name.startswith("evocache."):
            continue
        other = name.split(".")[1]
        allowed = {part for part, rank in RANKS.items() if rank < RANKS.get(own, 0)} | BESIDE.get(own, set())
        assert other == own or other in allowed or other.startswith("_"), f"{file} imports {name}"


@pytest.mark.parametrize("file", FILES)
def test_heavy_libraries_stay_where_they_belong(file):
    names = {name.split(".")[0] for name, type_only in imports(file) if not type_only}
    if part_of(file) in TORCHLESS:
        assert not names & HEAVY
    if not file.startswith(KNOW_DIFFUSERS):
        assert "diffusers" not in names
    if not file.startswith(("search/ray", "serve")):
        assert "ray" not in names
    if not file.startswith(("serve/app", "serve/schemas")):
        assert "fastapi" not in names
