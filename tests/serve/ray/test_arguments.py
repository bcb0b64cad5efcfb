"""Settings from what `serve run` and its files say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evocache.errors import AmountError, ServeError
from evocache.serve.ray_app.arguments import read_arguments
from evocache.serve.ray_app.replica_settings import ReplicaSettings
from evocache.usage.keys.secret import installation_secret

POSTGRES = "postgresql://evocache@db/evocache"


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The least that is to be said."""
    monkeypatch.delenv("EVOCACHE_HOME", raising=False)
    return {"models": {"emoji": "zoo:emoji"}, "folder": str(tmp_path), "database": POSTGRES, "secret": str(tmp_path)}


def test_words_of_a_command_line_are_what_values_of_a_file_are(given: dict[str, Any]):
    words = {"models": '{"emoji": "zoo:emoji"}', "workers": "2", "drain": "1.5", "insecure": "true", "replicas": "3"}
    words |= {"names": '["api.studio.example"]', "reuse": '{"memory": "1GB", "unseeded": true}', "gpus": "0.5"}
    values = {"workers": 2, "drain": 1.5, "insecure": True, "replicas": 3, "names": ["api.studio.example"]}
    values |= {"reuse": {"memory": "1GB", "unseeded": True}, "gpus": 0.5}
    settings, replicas = read_arguments({**given, **words})
    assert (settings, replicas) == read_arguments({**given, **values})
    assert settings.models == {"emoji": "zoo:emoji"}
    assert settings.names == {"api.studio.example"}
    assert (settings.workers, settings.drain, settings.insecure) == (2, 1.5, True)
    assert settings.reuse.unseeded
    assert replicas == ReplicaSettings(3, gpus=0.5)
    assert not settings.exposure.local, "others may reach the proxies of a cluster"


def test_the_secret_is_that_of_the_folder_that_is_named(
    given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert read_arguments(given)[0].secret == installation_secret(tmp_path)
    del given["secret"]
    assert read_arguments(given)[0].secret is None
    monkeypatch.setenv("EVOCACHE_HOME", str(tmp_path))
    assert read_arguments(given)[0].secret == installation_secret(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"modles": "zoo:emoji"}, "did you mean models"),
        ({"reuse": {"unseded": True}}, r"did you mean reuse\.unseeded"),
        ({"port": 80}, "the argument 'port'"),
        ({"workers": "many"}, "workers='many'.*integer"),
        ({"models": "{zoo"}, "models=.*zoo.*JSON"),
        ({"replicas": 0}, "replicas of 0.*from 1"),
        ({"gpus": -1}, "gpus of -1.*from 0"),
        ({"folder": None}, "a database without a folder"),
        ({"folder": ""}, "an empty folder"),
        ({"models": {"emoji": ""}}, r"an empty models\.emoji"),
        ({"models": {}}, "no models.*at least one"),
        ({"loras": {"emoji": {"ink": {"path": "x", "wieght": 0.5}}}}, r"did you mean loras\.emoji\.ink\.weight"),
        ({"loras": '{"emoji": {"ink": {"wieght": 0.5}}}'}, r"did you mean loras\.emoji\.ink\.weight"),
        ({"loras": {"emoji": {"ink": {"weight": 0.5}}}}, r"no loras\.emoji\.ink\.path"),
        ({"loras": {"emoji": {"ink": "ink.safetensors"}}}, r"loras\.emoji\.ink='ink\.safetensors'"),
        ({"drain": -5}, "drain of -5.*from 0"),
        ({"drain": "nan"}, "drain of nan.*finite"),
        ({"keep": 0}, "keep of 0.*above 0"),
        ({"lease": "inf"}, "lease of inf.*finite"),
        ({"workers": -1}, "workers of -1"),
        ({"open": 0}, "open of 0.*from 1"),
        ({"threads": 0}, "threads of 0"),
        ({"disk_bytes": -1}, "disk_bytes of -1"),
        ({"limits": {"steps": 0}}, "steps of 0.*from 1"),
        ({"reuse": {"tenants": 0}}, "tenants of 0.*from 1"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, Any], wrong: dict[str, Any], said: str):
    with pytest.raises(ServeError, match=said):
        read_arguments({**given, **wrong})


@pytest.mark.parametrize("wrong", [{"memory": "much"}, {"reuse": {"memory": "8"}}, {"reuse": {"disk": "-1GB"}}])
def test_amounts_are_checked_before_anything_starts(given: dict[str, Any], wrong: dict[str, Any]):
    with pytest.raises(AmountError):
        read_arguments({**given, **wrong})


def test_what_is_missing_is_named(given: dict[str, Any]):
    del given["models"]
    with pytest.raises(ServeError, match=r'no models.*give it, such as models={"emoji": "zoo:emoji"}'):
        read_arguments(given)
