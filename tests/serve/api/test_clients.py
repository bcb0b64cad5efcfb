"""Three generations of the official client, each by itself in a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

SESSION = Path(__file__).with_name("client_session.py")

GENERATIONS = ("1.109.1", "2.8.0", "3.57.0")


def installed(version: str) -> Path:
    """The folder of a version of the client, with all that it needs, installed there if it is not yet."""
    folder = Path(sys.prefix) / "clients" / f"openai-{version}"
    folder.parent.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / "openai").is_dir():
            options = ["--quiet", "--disable-pip-version-check", "--no-input", "--target", str(folder)]
            command = [sys.executable, "-m", "pip", "install", *options, f"openai=={version}"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300)
            if done.returncode:
                pytest.skip(f"openai {version} cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
    return folder


@pytest.mark.parametrize("version", GENERATIONS)
def test_a_client_works_unchanged(version: str, address: str):
    environment = {**os.environ, "PYTHONPATH": str(installed(version))}
    command = [sys.executable, str(SESSION), address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["version"] == version
    assert len(found["generate"]) == 2
    assert found["account"] == [7, 8]
    assert found["stream"][-1] == "image_generation.completed"
    assert (found["edit"], found["edit of a list"]) == (1, 1)
    assert found["models"] == ["stub", "moving"]
    assert found["model"] == "stub"
    assert found["misspelt"] == ["sead", "unknown_field"]
    assert found["too many"][0] == "n"
    if version.startswith("1."):
        return
    assert found["video"] == ["completed", "4"]
    assert found["content"]
    assert found["remix"]
    assert found["list"] == 2
    assert found["deleted"] == [True, True]
