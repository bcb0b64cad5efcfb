"""Where the weights of a server's models wait."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evocache.memory.tiers.disk import DiskTier
from evocache.serve.settings import Settings
from evocache.serve.start import describe_worker
from evocache.serve.workers.messages import pack_start, read_start
from evocache.serve.workers.models.load_all import open_shelf
from tests.serve.engine.weights.stand_ins import model

MODELS = {"a": "zoo:emoji", "b": "zoo:emoji-unet"}


def test_weights_wait_in_the_servers_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def make(*args: Any) -> DiskTier:
        made.append(args)
        return DiskTier(*args)

    monkeypatch.setattr("evocache.serve.engine.weights.shelf.DiskTier", make)
    wanted = describe_worker(Settings(MODELS, memory="100KB", folder=tmp_path))
    _, told = read_start(pack_start("module:Worker", wanted))
    shelf = open_shelf(told)
    assert shelf is not None
    shelf.add({"a": model(100)})
    assert shelf.make_room(0, ())
    shelf.close()
    assert made == [(str(tmp_path), "weights")]


def test_they_do_not_wait_on_a_disk_that_servers_share(tmp_path: Path) -> None:
    assert describe_worker(Settings(MODELS)).folder is None
    assert describe_worker(Settings(MODELS, folder=tmp_path, database="postgresql://x@y/z")).folder is None
