"""Tenants are known by texts, and a process that forks leaves none of them locked."""

from __future__ import annotations

import enum
import os
import threading
import warnings

import pytest

from evocache import LearningCache, cached
from evocache.errors import UsageError
from evocache.usage.cache.tenants import Tenants

SETTINGS = {"secret": b"s" * 32, "upkeep": False}


class Firm(str, enum.Enum):
    ACME = "acme"


@pytest.mark.parametrize("tenant", [1, 1.0, True, b"1", ("a",), object()])
def test_a_tenant_that_is_no_text_is_refused_by_its_name(tenant):
    tenants = Tenants("1MB", 4, **SETTINGS)
    with pytest.raises(UsageError, match=rf"{type(tenant).__name__}.*str\("):
        tenants.of(tenant)
    with pytest.raises(UsageError, match=type(tenant).__name__):
        LearningCache("1MB", tenant=tenant, **SETTINGS)
    assert len(tenants) == 0


def test_nobody_is_no_tenant():
    with pytest.raises(UsageError, match="without a tenant"):
        Tenants("1MB", 4, **SETTINGS).of(None)

    @cached(tenant="firm", **SETTINGS)
    def price(firm):
        return firm

    with pytest.raises(UsageError, match="without a tenant"):
        price(None)


def test_a_text_of_another_class_is_the_same_tenant(tmp_path):
    tenants = Tenants("1MB", 4, disk=tmp_path, **SETTINGS)
    tenants.of(Firm.ACME).get_or_compute("q", lambda: 1)
    assert tenants.of("acme") is tenants.of(Firm.ACME)
    tenants.close()
    again = Tenants("1MB", 4, disk=tmp_path, **SETTINGS)
    assert again.of("acme").get_or_compute("q", lambda: 2) == 1
    again.close()


@pytest.mark.parametrize("most", [0, -1, "8", 2.5])
def test_a_number_of_tenants_that_is_none_is_refused(most):
    with pytest.raises(UsageError, match="tenants="):
        Tenants("1MB", most, **SETTINGS)


def test_a_child_process_makes_tenants_though_the_parent_was_making_one(monkeypatch):
    """A thread makes the cache of a tenant while another forks: the fork waits, and no lock is held in the child."""
    tenants = Tenants("1MB", 4, **SETTINGS)
    making, go = threading.Event(), threading.Event()

    def slow(*args, **settings):
        making.set()
        assert go.wait(10)
        return LearningCache(*args, **settings)

    monkeypatch.setattr("evocache.usage.cache.tenants.LearningCache", slow)
    thread = threading.Thread(target=tenants.of, args=("a",))
    thread.start()
    assert making.wait(10)
    threading.Timer(0.1, go.set).start()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads in a process that forks
        child = os.fork()
    if not child:
        asked = threading.Thread(target=lambda: tenants.of("b"), daemon=True)
        asked.start()
        asked.join(10)
        os._exit(int(asked.is_alive() or set(tenants) != {"a", "b"}))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    thread.join()
    assert tenants.of("a").get_or_compute("q", lambda: 1) == 1


@pytest.mark.parametrize("act", ["invalidate", "clear", "clear owner"])
def test_a_tenant_without_room_is_reached_in_the_tiers_and_takes_none(tmp_path, act):
    def made():
        @cached(tenant="firm", owner="x", tenants=1, disk=tmp_path, version=1, **SETTINGS)
        def price(firm, x):
            asked.append(firm)
            return f"{firm}{x}"

        return price

    asked = []
    price = made()
    price("a", 1)
    price.cache.close()
    price = made()
    price("b", 1)
    {
        "invalidate": lambda: price.invalidate("a", 1),
        "clear": lambda: price.cache.clear(tenant="a"),
        "clear owner": lambda: price.cache.clear(1, tenant="a"),
    }[act]()
    assert list(price.cache) == ["b"]
    price.cache.close()
    price = made()
    assert price("a", 1) == "a1"
    assert asked == ["a", "b", "a"]
    price.cache.close()


def test_a_tenant_that_nobody_asked_for_takes_no_room_by_being_invalidated():
    tenants = Tenants("1MB", 1, **SETTINGS)
    assert not tenants.invalidate("nobody", "q")
    tenants.clear(tenant="nobody")
    assert tenants.of("a") is not None
    tenants["a"]["q"] = 1
    assert tenants.invalidate("a", "q")
    with pytest.raises(UsageError, match="without a tenant"):
        tenants.invalidate(None, "q")
