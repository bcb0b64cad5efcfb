"""Every number of the command line: what is none, or out of range, is refused before anything is loaded."""

from __future__ import annotations

from typing import get_args, get_type_hints

import pytest

from evocache.cli.app import app
from evocache.cli.commands.evolve import parse_duration

SIGNED = {"--min-quality"}
"""Qualities may be negative: errors, and rewards of all kinds."""

WRONG = ("-5", "nan", "inf", "9" * 30)


def numbers():
    """Commands, options and whether they are whole numbers."""
    commands = [*(((), command) for command in app.registered_commands)]
    for group in app.registered_groups:
        commands += [((group.name,), command) for command in group.typer_instance.registered_commands]
    for path, command in commands:
        for name, hint in get_type_hints(command.callback, include_extras=True).items():
            kinds = [hint.__origin__, *get_args(hint.__origin__)] if hasattr(hint, "__metadata__") else []
            if int in kinds or float in kinds:
                named = [text for text in hint.__metadata__[0].param_decls or () if text.startswith("--")]
                option = named[0] if named else f"--{name.rstrip('_').replace('_', '-')}"
                yield (*path, command.callback.__name__), option, int in kinds


NUMBERS = [*numbers()]

REQUIRED = {"inspect": ["zoo:emoji"], "create": ["somebody"], "show": ["none"], "convert": ["none", "out.json"]}


@pytest.fixture(autouse=True)
def nothing_is_loaded(monkeypatch):
    def refused(*_, **__):
        raise AssertionError("a model is loaded though an option is wrong")

    for name in ("generate", "plan", "inspect", "evolve", "demo"):
        monkeypatch.setattr(f"evocache.cli.commands.{name}.load_pipeline", refused)


def test_there_are_numbers_in_most_commands():
    assert {path[0] for path, *_ in NUMBERS} >= {"demo", "generate", "inspect", "plan", "evolve", "schedule"}
    assert sum(not whole for *_, whole in NUMBERS) >= 5


@pytest.mark.parametrize(("path", "option", "whole"), NUMBERS, ids=[f"{p[-1]} {o}" for p, o, _ in NUMBERS])
def test_what_is_no_number_is_refused_by_its_option(run, path, option, whole):
    values = WRONG if option not in SIGNED else [value for value in WRONG if value != "-5"]
    for value in values:
        if value == "9" * 30 and not whole:
            continue
        result = run(*path, *REQUIRED.get(path[-1], []), f"{option}={value}")
        assert result.exit_code == 2, (value, result.output)
        assert result.stdout == ""
        assert option in result.stderr, value


@pytest.mark.parametrize("value", ["8", "24", "-5", "nan", "inf", "8 parsecs", "1e30GB"])
@pytest.mark.parametrize(
    ("command", "option"),
    [
        *[("generate", "--budget"), ("generate", "--memory"), ("plan", "--budget"), ("plan", "--memory")],
        *[("evolve", "--max-memory"), ("evolve", "--memory"), ("schedule show fora:2", "--memory")],
    ],
)
def test_amounts_of_memory_are_checked_before_a_model_is_loaded(refused, command, option, value):
    told = refused(*command.split(), f"{option}={value}", *(["-p", "fox"] if command == "generate" else []))
    assert ("did you mean" in told) == (value in ("8", "24"))


@pytest.mark.parametrize("value", ["0", "-1", "two", "99999", "1.5"])
def test_processes_are_counted_before_a_model_is_loaded(refused, value):
    assert "9999, or auto" in refused("evolve", f"--workers={value}")


@pytest.mark.parametrize("value", ["0", "0s", "-5m", "nan", "inf", "9" * 400 + "h", "5 weeks", ""])
def test_what_is_no_time_is_refused(refused, value):
    for option in ("--time", "--budget"):
        assert "--time" in refused("evolve", f"{option}={value}")


def test_times_are_read():
    assert [parse_duration(text) for text in ("90s", "1.5h", "10m", "7", "none")] == [90, 5400, 600, 7, None]
