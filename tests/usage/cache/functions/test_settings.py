"""Settings that mean nothing are refused where they are written, and a text is one name."""

from __future__ import annotations

import pytest

from evocache.errors import RecordError, UsageError
from evocache.usage.cache.decorator import cached
from evocache.usage.cache.learning_cache import LearningCache
from evocache.usage.learn.comparison import compare
from evocache.usage.patterns.requests import to_trace
from evocache.usage.policies.lru import LRU
from evocache.usage.tiers.codecs.codec import Codecs

SETTINGS = {"secret": bytes(32), "upkeep": False}


def report(user: str, month: int = 1) -> list[object]:
    return [user, month]


@pytest.mark.parametrize("tenant", [{}, {"tenant": "user"}], ids=["alone", "of a tenant"])
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"arrays": "readonly"}, "arrays='readonly'; why: expected 'copy' or 'read-only'"),
        ({"stale": 5}, "stale=5 for report without ttl="),
        ({"durable": True}, "durable=True without a tier"),
        ({"privacy": "text"}, "privacy='text' without records="),
        ({"privacy": "texts", "records": "usage.db"}, "privacy 'texts'"),
        ({"policy": "lrru"}, "did you mean 'lru'"),
        ({"codecs": "pickles"}, "codec 'pickles'"),
        ({"codecs": ("pickles",), "disk": "folder"}, "codec 'pickles'"),
        ({"ttl": -1}, "ttl=-1"),
        ({"patience": "long"}, "patience='long'"),
        ({"speculate": "repeat"}, "repeatable=True"),
        ({"owner": "user", "repeatable": True, "speculate": lambda asked: None}, "which is repeatable"),
        ({"owner": 5}, "owner=5"),
        ({"owner": ["user"]}, r"owner=\['user'\]"),
        ({"ignore": "usr"}, "ignore='usr'"),
        ({"owner": lambda user, month: user}, "given one mapping"),
        ({"group": lambda: "all"}, "given one mapping"),
    ],
)
def test_they_are_refused_at_decoration(settings, told, tenant, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=told):
        cached(**settings, **tenant, **SETTINGS)(report)
    assert not [*tmp_path.iterdir()]


def test_an_unknown_setting_beside_a_tenant_is_refused_at_decoration():
    with pytest.raises(TypeError, match="tttl"):
        cached(tenant="user", tttl=5)(report)


def test_a_policy_object_of_many_tenants_is_refused():
    with pytest.raises(UsageError, match='policy="lru"'):
        cached(tenant="user", policy=LRU(1000), **SETTINGS)(report)


def test_tenants_without_a_tenant_are_refused():
    with pytest.raises(UsageError, match="tenants=3 for report without tenant="):
        cached(tenants=3, **SETTINGS)(report)


def test_a_cache_of_its_own_takes_stale_for_a_ttl_that_is_said_later():
    now = [0.0]
    held = LearningCache("1MB", stale=10, clock=lambda: now[0], **SETTINGS)
    held.get_or_compute("a", lambda: 1, ttl=1)
    now[0] = 12.0
    assert held.get_or_compute("a", lambda: 2, ttl=1) == 2
    for wrong in ({"arrays": "readonly"}, {"durable": True}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            LearningCache("1MB", **wrong, **SETTINGS)
    with pytest.raises(RecordError, match="privacy"):
        LearningCache("1MB", privacy="text", **SETTINGS)


@pytest.mark.parametrize("owner", [lambda call: call.user, lambda call: call["usr"], lambda call: call["month"] + "x"])
def test_a_function_that_misreads_its_arguments_is_told_what_they_are(owner):
    asked = cached(owner=owner, **SETTINGS)(report)
    with pytest.raises(UsageError, match=r"owner= of report.*arguments by name.*lambda arguments: arguments\['user'\]"):
        asked("ada")


def test_what_a_label_raises_on_purpose_and_a_wrong_call_are_left_as_they_are():
    def refuse(call):
        raise PermissionError("not you")

    with pytest.raises(PermissionError):
        cached(owner=refuse, **SETTINGS)(report)("ada")
    with pytest.raises(TypeError, match="missing"):
        cached(owner=lambda call: call["user"], **SETTINGS)(report)()


def test_a_text_is_one_name():
    @cached(ignore="xy", **SETTINGS)
    def add(x: int, y: int, xy: str = "") -> int:
        return x + y

    assert (add(1, 2), add(10, 20), add(1, 2, "other")) == (3, 30, 3)
    assert add.cache.stats.computed == 2
    with pytest.raises(UsageError, match="ignore='xy'"):
        cached(ignore="xy", **SETTINGS)(lambda x, y: x)
    assert Codecs("pickle", secret=bytes(32)).encode({1, 2})[0] == "pickle"
    found = compare(to_trace([(1, 1, 1, 1, 1.0)] * 2), 10, "fifo")
    assert {one.name for one in found.policies} == {"fifo", "lru"}
