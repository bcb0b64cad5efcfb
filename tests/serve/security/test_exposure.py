"""Whom a server is reached by, and what it has to have then."""

from __future__ import annotations

from pathlib import Path

import pytest

from evocache.errors import ServeError
from evocache.serve.access.exposure import check_exposure, exposure_of, is_loopback
from evocache.serve.access.key_store import KeyStore
from evocache.serve.run import run
from evocache.serve.settings import Settings


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "::ffff:127.0.0.1"])
def test_loopback_is_local(host: str):
    assert is_loopback(host)
    assert exposure_of(host).local


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", "127.0.0.1.evil.example", "", "0"])
def test_all_else_is_not(host: str):
    assert not is_loopback(host)


def test_a_server_behind_a_proxy_is_not_local():
    assert not exposure_of("127.0.0.1", ["studio.example"]).local


@pytest.mark.parametrize(("listens", "names"), [("0.0.0.0", []), ("127.0.0.1", ["studio.example"])])
def test_strangers_need_keys_or_a_word(listens: str, names: list[str]):
    exposure = exposure_of(listens, names)
    with pytest.raises(ServeError, match="keys create"):
        check_exposure(exposure, has_keys=False, insecure=False)
    check_exposure(exposure, has_keys=True, insecure=False)
    check_exposure(exposure, has_keys=False, insecure=True)
    check_exposure(exposure_of("::1"), has_keys=False, insecure=False)


def test_names_that_a_server_goes_by():
    home, away = exposure_of("127.0.0.1"), exposure_of("0.0.0.0", ["Studio.example"])
    assert all(home.knows(name) for name in ("127.0.0.1", "localhost", "::1"))
    assert not any(home.knows(name) for name in ("", "192.168.1.5", "studio.example", "localhost.evil.example"))
    assert all(away.knows(name) for name in ("localhost", "studio.example", "192.168.1.5", "fe80::1"))
    assert not any(away.knows(name) for name in ("", "evil.example", "1.2.3.4.evil.example"))
    assert exposure_of("0.0.0.0", ["*"]).knows("evil.example")


@pytest.mark.parametrize("origin", ["studio.example", "https://", "https://a/b", "null", "ftp://a", "https://*.a"])
def test_what_is_no_origin_is_refused(origin: str):
    with pytest.raises(ServeError):
        exposure_of("127.0.0.1", origins=[origin])


@pytest.mark.parametrize("more", [{"host": "0.0.0.0"}, {"names": frozenset({"studio.example"})}])
def test_a_server_that_strangers_reach_does_not_start_without_keys(folder: Path, more: dict[str, object]):
    told: list[str] = []
    settings = Settings({"none": "none"}, port=0, folder=folder / "new", **more)  # type: ignore[arg-type]
    with pytest.raises(ServeError, match="--insecure"):
        run(settings, told.append)
    assert not told
    assert not (folder / "new").exists()


def test_a_key_in_the_database_is_seen_before_it_listens(
    folder: Path, store: KeyStore, monkeypatch: pytest.MonkeyPatch
):
    store.create("acme", "ann")
    monkeypatch.setattr("evocache.serve.run.listen", _listen)
    with pytest.raises(_ListenedError):
        run(Settings({"none": "none"}, host="0.0.0.0", port=0, folder=folder))


class _ListenedError(Exception):
    pass


def _listen(host: str, port: int) -> None:
    raise _ListenedError


def test_a_database_needs_a_folder_for_results(tmp_path: Path):
    with pytest.raises(ServeError, match="--folder"):
        Settings({"stub": "stub"}, database="postgresql+pg8000://localhost/a")
    assert Settings({"stub": "stub"}, database="postgresql+pg8000://localhost/a", folder=tmp_path).folder
