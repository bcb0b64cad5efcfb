"""LoRAs as replicas are told them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evocache.errors import ServeError
from evocache.serve.ray_app.arguments import read_arguments
from evocache.serve.ray_app.spread import check_spread
from evocache.serve.workers.worker import LoraSource


@pytest.mark.parametrize("as_text", [False, True])
def test_they_are_values_with_full_paths(fast_folder: Path, monkeypatch: pytest.MonkeyPatch, as_text: bool) -> None:
    monkeypatch.chdir(fast_folder)
    monkeypatch.delenv("EVOCACHE_HOME", raising=False)
    Path("ink.safetensors").touch()
    loras = {"mine": {"ink": {"path": "ink.safetensors", "weight": 0.8}, "clay": {"path": "elsewhere"}}}
    text = '{"mine": {"ink": {"path": "ink.safetensors", "weight": 0.8}, "clay": {"path": "elsewhere"}}}'
    where = {"database": "postgresql://me@host/name", "folder": "served"}
    settings, _ = read_arguments({"models": {"mine": "zoo:emoji"}, "loras": text if as_text else loras, **where})
    assert settings.loras == {"mine": {"ink": LoraSource("ink.safetensors", 0.8), "clay": LoraSource("elsewhere")}}
    found = check_spread(replace(settings, secret=b"s")).loras["mine"]
    assert found == {
        "ink": LoraSource(str(fast_folder / "ink.safetensors"), 0.8),
        "clay": LoraSource("elsewhere"),
    }
    with pytest.raises(ServeError, match="loras"):
        read_arguments({"models": {"mine": "zoo:emoji"}, "loras": {"mine": {"ink": {"paths": "x"}}}})
