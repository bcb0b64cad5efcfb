"""README and documents: their code runs, their links and tests exist, their tables are the committed results."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from click import Context
from typer.main import get_command

from benchmarks.tables import BETWEEN, PAGES, RESULTS, TABLES, with_tables
from benchmarks.tables.results import results
from evocache.cli.app import app
from evocache.policies import POLICIES

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
WITH_CODE = [ROOT / "README.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
BLOCK = re.compile(r"(?:<!-- not run: (?P<reason>[^>]+) -->\n+)?^```(?P<kind>\w*)\n(?P<code>.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\(([^)#\s]+)?(?:#([\w-]+))?\)")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def code(path: Path) -> list[tuple[str, str | None]]:
    """Python blocks of a document, each with the reason why it is not run."""
    found = BLOCK.finditer(path.read_text(encoding="utf-8"))
    return [(block["code"], block["reason"]) for block in found if block["kind"] == "python"]


@pytest.mark.parametrize("path", [path for path in WITH_CODE if code(path)], ids=name)
@pytest.mark.filterwarnings("ignore::evocache.errors.EvocacheWarning")
def test_code_runs_as_it_stands(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks, names = code(path), dict[str, Any]()
    assert any(reason is None for _, reason in blocks)
    for number, (block, reason) in enumerate(blocks, 1):
        if reason is None:
            exec(compile(block, f"{name(path)}, block {number}", "exec"), names)


def test_a_block_is_left_out_only_with_a_reason() -> None:
    text = "```python\na\n```\n\n<!-- not run: needs a GPU -->\n\n```python\nb\n```\n\n```\nc\n```\n"
    found = [(block["kind"], block["code"], block["reason"]) for block in BLOCK.finditer(text)]
    assert found == [("python", "a\n", None), ("python", "b\n", "needs a GPU"), ("", "c\n", None)]


def test_the_korean_readme_has_the_same_code_links_and_size() -> None:
    english, korean = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.ko.md"))
    assert [block[0] for block in BLOCK.finditer(korean)] == [block[0] for block in BLOCK.finditer(english)]
    links = [[*filter(None, (link[1] for link in LINK.finditer(text)))] for text in (english, korean)]
    assert sorted({*links[0]} ^ {*links[1]}) == ["README.ko.md", "README.md"]
    assert english.count("\n## ") == korean.count("\n## ")
    assert len(english.split()) <= 700


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    for target, anchor in LINK.findall(path.read_text(encoding="utf-8")):
        if target.startswith("http"):
            continue
        to = (path.parent / target).resolve() if target else path
        assert to.exists(), f"{name(path)} links to {target}"
        if anchor:
            heads = re.findall(r"^#+ (.+)$", to.read_text(encoding="utf-8"), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}


def test_tests_that_are_named_exist() -> None:
    named = {found for path in DOCUMENTS for found in TEST.findall(path.read_text(encoding="utf-8"))}
    assert named
    missing = [
        f"{file}::{test}"
        for file, test in sorted(named)
        if not (ROOT / file).exists() or f"def {test}(" not in (ROOT / file).read_text(encoding="utf-8")
    ]
    assert not missing


def test_each_guarantee_names_a_test() -> None:
    text = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8").split("\n## Limits")[0]
    lines = re.findall(r"^- .*?(?=^- |^#|\Z)", text, re.M | re.S)
    assert len(lines) > 20
    assert not [line for line in lines if not TEST.search(line)]


@pytest.mark.parametrize("page", PAGES)
def test_tables_are_those_of_the_results(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert [found[2] for found in BETWEEN.finditer(text)]
    assert with_tables(text) == text, "run python -m benchmarks.tables"


@pytest.mark.parametrize("page", RESULTS)
def test_commits_are_those_of_the_results(page: str) -> None:
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    told = re.findall(
        r"\]\((?:\.\./)?benchmarks/results/([\w-]+)\.json\), (?:commit|커밋) ([^,]+), \d{4}-\d\d-\d\d", text
    )
    assert len(told) == text.count("/results/")
    assert [commit for _, commit in told] == [results(result)["environment"]["commit"] for result, _ in told]


def test_each_policy_and_each_of_its_parameters_is_described() -> None:
    text = (ROOT / "docs" / "policies.md").read_text(encoding="utf-8")
    for policy in POLICIES.values():
        section = text.split(f"\n### {policy.name}\n")[1].split("\n### ")[0]
        assert f"`{policy.usage}`" in section
        assert f"](#{policy.name})" in text
        for field in fields(policy):
            assert not field.repr or re.search(rf"^- `{field.name}`( \(.* if not given\))?: \S", section, re.M), policy


def test_each_table_stands_somewhere() -> None:
    found = [table[2] for page in PAGES for table in BETWEEN.finditer((ROOT / page).read_text(encoding="utf-8"))]
    assert sorted(found) == sorted(TABLES)
    rows = TABLES["readme"]().splitlines()[2:]
    assert len(rows) == 6
    assert any("fewer steps" in row for row in rows)


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_files_that_are_named_exist(path: Path) -> None:
    named = re.findall(r"`((?:src|tests|benchmarks|docs|scripts|training|examples)/[\w./-]+)", path.read_text("utf-8"))
    for file in named:
        assert any((ROOT / (file + end)).exists() for end in ("", ".py")), f"{name(path)} names {file}"


def test_files_of_tests_that_are_named_by_their_name_alone_exist() -> None:
    named = {found for path in DOCUMENTS for found in re.findall(r"`(test_\w+)`", path.read_text(encoding="utf-8"))}
    assert len(named) > 3
    assert named <= {path.stem for path in (ROOT / "tests").rglob("test_*.py")}


PACKAGE = ROOT / "src" / "evocache"
ROOMS = sorted(path.parent for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE)


def test_the_architecture_names_every_room() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    missing = [room.name for room in ROOMS if f"`{room.name}`" not in text]
    assert not missing
    assert len(text.split()) <= 1050


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.relative_to(PACKAGE).as_posix())
def test_a_room_says_what_goes_in_and_what_comes_out(room: Path) -> None:
    said = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8")))
    assert said is not None
    assert "\nIn: " in said
    assert " Out: " in " ".join(said.split())
    assert re.search(r"^Imports ", said, re.M)


def test_commands_and_options_that_are_named_exist() -> None:
    root: Any = get_command(app)
    named = 0
    for path in DOCUMENTS:
        for block in BLOCK.finditer(path.read_text(encoding="utf-8")):
            for line in re.findall(r"^evocache .*$", block["code"], re.M):
                words = line.split("#")[0].split()[1:]
                command = root
                while hasattr(command, "commands"):
                    assert words[0] in command.commands, f"{name(path)}: {line}"
                    command = command.commands[words.pop(0)]
                options = {option for parameter in command.params for option in parameter.opts}
                assert {word for word in words if word.startswith("-")} <= options, f"{name(path)}: {line}"
                values = command.make_parser(Context(command)).parse_args(shlex.split(" ".join(words)))[0].values()
                taken = [value for value in values if isinstance(value, str) and value.startswith("-")]
                assert not taken, f"{name(path)}: {line}: an option is taken for the value of another"
                named += 1
    assert named > 10


def test_guides_name_all_policies_and_commands() -> None:
    policies = (ROOT / "docs" / "policies.md").read_text(encoding="utf-8")
    assert not [policy for policy in POLICIES if f"| [`{policy}" not in policies]
    commands = (ROOT / "docs" / "guides" / "command-line.md").read_text(encoding="utf-8")
    names = [*command_names(get_command(app))]
    assert "schedule export" in names
    assert not [command for command in names if f"`evocache {command}" not in commands]


def command_names(group: Any, before: str = "") -> Iterator[str]:
    """Full names of all commands, those of groups included."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from command_names(command, f"{before}{name} ")
        else:
            yield f"{before}{name}"
