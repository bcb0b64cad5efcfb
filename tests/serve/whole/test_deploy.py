"""The image and the unit call the command with options that it has, as somebody who may do little."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from evocache.cli.app import app

ROOT = Path(__file__).parents[3]

WRONG_USE: type[Exception] = typer.BadParameter.__mro__[1]
"""click's error for words that a command does not take; typer has a click of its own."""


def parse(words: list[str]) -> dict[str, Any]:
    """What `evocache serve` is given; raises WRONG_USE if it has no such option, or takes no such value."""
    command: Any = typer.main.get_command(app)
    context = command.context_class(command)
    name, serve, rest = command.resolve_command(context, words)
    assert name == "serve"
    given: dict[str, Any] = serve.make_context("serve", list(rest), parent=context).params
    return given


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and their arguments, in order."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def unit() -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser(delimiters="=", interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(ROOT / "deploy" / "evocache.service")
    return {name: dict(parser[name]) for name in parser.sections()}


def test_the_image_serves_from_its_volume():
    found = dict(instructions())
    entry, words = json.loads(found["ENTRYPOINT"]), json.loads(found["CMD"])
    assert entry == ["evocache"]
    given = parse(words)
    assert (given["host"], str(given["folder"])) == ("0.0.0.0", found["VOLUME"])
    assert not given["insecure"]
    assert given["drain"] < 10, "docker stop kills after ten seconds"
    assert f":{given['port']}/healthz" in found["HEALTHCHECK"]
    assert found["EXPOSE"] == str(given["port"])
    environment = dict(word.split("=", 1) for word in shlex.split(found["ENV"]))
    assert all(environment[name].startswith("/data/") for name in ("EVOCACHE_HOME", "HF_HOME"))


def test_the_image_runs_as_nobody_of_weight_and_copies_what_there_is():
    found = instructions()
    names = [name for name, _ in found]
    assert dict(found)["FROM"].endswith("-slim")
    assert dict(found)["USER"] not in ("root", "0")
    assert names.index("USER") > max(at for at, name in enumerate(names) if name == "RUN")
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for source in [word for name, words in found if name == "COPY" for word in words.split()[:-1]]:
        assert (ROOT / source).exists()
        assert f"!{source}" in ignored
    extras = re.search(r"\.\[([\w,]+)\]", " ".join(words for _, words in found))
    assert extras is not None
    described = (ROOT / "pyproject.toml").read_text()
    assert all(re.search(rf"^{extra} = \[", described, re.MULTILINE) for extra in extras[1].split(","))


def test_the_unit_serves_from_its_folder():
    service = unit()["Service"]
    words = shlex.split(service["ExecStart"])
    assert Path(words[0]).name == "evocache"
    given = parse(words[1:])
    assert str(given["folder"]) == f"/var/lib/{service['StateDirectory']}" == service["WorkingDirectory"]
    assert given["host"] == "127.0.0.1"
    assert int(service["TimeoutStopSec"]) > given["drain"] + 20
    assert (service["KillSignal"], service["KillMode"]) == ("SIGTERM", "mixed")


def test_the_unit_may_do_little():
    service = unit()["Service"]
    for name in ("DynamicUser", "NoNewPrivileges", "ProtectHome", "PrivateTmp", "RestrictSUIDSGID", "LockPersonality"):
        assert service[name] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    assert "AF_NETLINK" not in service["RestrictAddressFamilies"].split()


@pytest.mark.parametrize("words", [["serve", "--no-such-option"], ["serve", "--drain", "never"]])
def test_what_the_command_does_not_take_would_be_seen(words):
    with pytest.raises(WRONG_USE):
        parse(words)
