"""One meaning a word: `--time`, `--memory`, `--min-quality`; old spellings go on working, and no help shows them."""

from collections import Counter

import pytest
from typer.main import get_command

from evocache.cli.app import app
from evocache.cli.ui.command_line import ALIASES, rename_options


@pytest.mark.parametrize(
    ("command", "given", "read"),
    [
        ("generate", ["--budget", "8GB"], ["--memory", "8GB"]),
        ("generate", ["--budget=8GB", "-b", "1GB"], ["--memory=8GB", "--memory", "1GB"]),
        ("plan", ["-b", "1GB"], ["--memory", "1GB"]),
        ("evolve", ["--budget", "3m", "--max-memory", "2GB"], ["--time", "3m", "--memory", "2GB"]),
        ("inspect", ["zoo:emoji", "--memory"], ["zoo:emoji", "--stages"]),
        ("inspect", ["--memory", "zoo:emoji"], ["--stages", "zoo:emoji"]),
        ("inspect", ["--memory", "2GB"], ["--memory", "2GB"]),
        ("generate", ["--", "--budget"], ["--", "--budget"]),
        ("front", ["--budget"], ["--budget"]),
    ],
)
def test_old_spellings_are_read_as_the_new_ones(command, given, read):
    assert rename_options(command, given) == read


@pytest.mark.parametrize("command", ALIASES)
def test_help_shows_the_words_of_today_alone(run, command):
    text = run(command, "--help").stdout
    for old, new in ALIASES[command].items():
        assert f"{old} " not in text
        assert new in text


@pytest.mark.parametrize("command", ["generate", "plan", "evolve", "inspect"])
def test_options_stand_in_panels_of_few(run, command):
    assert run(command, "--help").exit_code == 0
    options = [option for option in get_command(app).commands[command].params if option.param_type_name == "option"]
    panels = Counter(option.rich_help_panel for option in options)
    assert len(panels) >= 3
    assert max(panels.values()) <= 13
    assert {option.name for option in options if option.rich_help_panel is None} <= {"help"}


def test_an_old_spelling_works(refused):
    assert "--time" in refused("evolve", "--budget", "soon")
