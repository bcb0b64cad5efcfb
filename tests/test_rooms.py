"""Rooms hold about a dozen files, and imports between and within them run in no circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import evocache

ROOT = Path(evocache.__file__).parent
MOST = 14
"""Most modules of a folder, `__init__` not counted."""

BENCHMARKS = ROOT.parent.parent / "benchmarks"


def modules() -> dict[str, Path]:
    """All modules by their dotted name below the package."""
    found = {p.relative_to(ROOT).with_suffix("").parts: p for p in ROOT.rglob("*.py")}
    return {".".join(parts[:-1] if parts[-1] == "__init__" else parts): p for parts, p in found.items()}


def imports(name: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    """Modules that a file imports at run time, in functions as well."""
    tree = ast.parse(path.read_text())
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for_types = {id(n) for block in ast.walk(tree) if _for_types(block) for n in ast.walk(block)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and id(node) not in for_types:
            base = [*package[: len(package) - node.level + 1], *(node.module.split(".") if node.module else [])]
            for alias in node.names:
                target = ".".join([*base, alias.name])
                yield target if target in known else ".".join(base)


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of nodes that reach one another."""
    reach: dict[str, set[str]] = {}
    for start in graph:
        seen, todo = set(), [*graph[start]]
        while todo:
            node = todo.pop()
            if node not in seen:
                seen.add(node)
                todo += graph.get(node, ())
        reach[start] = seen
    groups = {frozenset(b for b in reach[a] if a in reach.get(b, ())) for a in graph if a in reach[a]}
    return sorted(sorted(group) for group in groups)


def room_of(name: str) -> str:
    """The room of a module within its package; a file of the package itself stands for itself."""
    parts = name.split(".")
    return ".".join(parts[:2])


def edges() -> Iterator[tuple[str, str]]:
    """Pairs of modules of which the first imports the second; what a package's `__init__` gives on is left out."""
    known = modules()
    for name, path in known.items():
        if path.name != "__init__.py":
            for target in imports(name, path, known):
                if target in known and known[target].name != "__init__.py" and target != name:
                    yield name, target


def test_no_folder_holds_more_than_a_dozen_or_so():
    folders = [ROOT, BENCHMARKS, *(p for top in (ROOT, BENCHMARKS) for p in top.rglob("*") if p.is_dir())]
    sizes = {p.name: sum(f.name != "__init__.py" for f in p.glob("*.py")) for p in folders}
    assert {name: size for name, size in sizes.items() if size > MOST} == {}


def test_modules_import_one_another_in_no_circle():
    graph: dict[str, set[str]] = {name: set() for name in modules()}
    for a, b in edges():
        graph[a].add(b)
    assert circles(graph) == []


def test_rooms_import_one_another_in_no_circle():
    graph: dict[str, set[str]] = {}
    for a, b in edges():
        if a.split(".")[0] == b.split(".")[0] and room_of(a) != room_of(b):
            graph.setdefault(room_of(a), set()).add(room_of(b))
            graph.setdefault(room_of(b), set())
    assert circles(graph) == []


def test_a_circle_is_seen():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"d"}}) == [["b", "c"], ["d"]]
