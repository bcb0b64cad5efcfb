"""Docstrings of public functions open with a verb and its object."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import evocache

ROOT = Path(evocache.__file__).parent
PARTS = sorted(path.name for path in ROOT.iterdir() if (path / "__init__.py").exists())
"""All packages."""

NO_VERBS = re.compile(
    r"(A|All|Among|An|Another|Any|As|At|Because|Both|Bytes|By|Each|Every|Everything|Fewest|For|From|How|If|"
    r"In|Its|Least|Most|No|None|Nothing|Number|Numbers|Of|On|One|Only|Others|Out|Per|Seconds|Share|Some|"
    r"Something|That|The|There|These|They|This|Those|To|Under|What|When|Where|Whether|Which|Who|Why|With|"
    r"Within|Without)\b"
)
"""Words that say what is returned, or when, before anything is done."""


def functions(file: Path) -> Iterator[tuple[str, str]]:
    """Names and docstrings of a file's public functions and methods; properties are nouns, and left out."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    for body in (tree.body, *(found.body for found in classes)):
        for node in body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                text = ast.get_docstring(node)
                if text and not any("property" in ast.unparse(mark) for mark in node.decorator_list):
                    yield f"{file.name}:{node.lineno} {node.name}", text


@pytest.mark.parametrize("part", PARTS)
def test_a_docstring_opens_with_a_verb(part: str) -> None:
    found = [named for file in (ROOT / part).rglob("*.py") for named in functions(file)]
    assert len(found) > 5
    wrong = [name for name, text in found if NO_VERBS.match(text) or not text[0].isupper()]
    assert not wrong, f"say first what the function does, as in 'Return the steps that are computed': {wrong}"


def test_every_package_is_looked_at() -> None:
    assert {"cli", "memory", "runtime", "schedule", "usage", "zoo"} <= {*PARTS}


def test_other_openings_are_seen(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text(
        'def f():\n    """The sum."""\n\nclass C:\n    def g(self):\n        """Return it."""\n\ndef _h():\n    "No."\n'
    )
    assert [text for _, text in functions(file)] == ["The sum.", "Return it."]
    assert NO_VERBS.match("The sum.")
    assert not NO_VERBS.match("Return it.")
