"""What holders of keys see of themselves, and quotas."""

from __future__ import annotations

import asyncio
import dataclasses

import httpx
import openai
import pytest

from evocache.serve.access.key_store import KeyStore
from evocache.serve.control.rates import Quota
from evocache.serve.database.database import Database
from evocache.serve.observe.outcome import Outcome
from evocache.serve.observe.tallies import DAY, Place, Tallies, Tally, tally
from evocache.serve.observe.tally_store import KEEP_DAYS, TallyBook, TallyStore
from evocache.serve.requests.answer import Account
from evocache.serve.service import Service
from evocache.serve.settings import Settings
from tests.serve.running_server import running
from tests.serve.security.conftest import Serve, bearer, generate
from tests.serve.stub_worker import STILL, StubWorker


def usage(url: str, secret: str) -> dict[str, object]:
    answer = httpx.get(f"{url}/v1/usage", headers=bearer(secret))
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def test_sums_are_of_the_key_alone_and_outlive_the_server(folder, store: KeyStore):
    _, ann = store.create("acme", "ann")
    _, bob = store.create("acme", "bob")
    settings = Settings({"stub": "stub"}, folder=folder)
    for _ in range(2):
        with running(Service(settings, [StubWorker()])) as url:
            assert generate(url, ann, n=3).status_code == 200
            assert generate(url, ann, prompt="fail pipeline").status_code == 500
            total = usage(url, ann)["total"]
    assert isinstance(total, dict)
    counts = {name: total[name] for name in ("requests", "made", "failed", "refused", "exact", "joined")}
    assert counts == {"requests": 4, "made": 6, "failed": 2, "refused": 0, "exact": 0, "joined": 0}
    assert total["seconds_computed"] == pytest.approx(6 * STILL.seconds)
    assert total["seconds_saved"] == pytest.approx(6 * STILL.seconds * 0.5)  # the first point is 1.5 times as fast
    with running(Service(settings, [StubWorker()])) as url:
        assert usage(url, bob)["data"] == []
        (row,) = usage(url, ann)["data"]  # type: ignore[misc]
        assert (row["model"], row["made"]) == ("stub", 6)


def test_a_quota_is_kept_told_and_counted(serve: Serve, store: KeyStore):
    _, ann = store.create("acme", "ann", quota=Quota(per_minute=3, per_day=100, seconds_per_day=1e6))
    _, bob = store.create("acme", "bob")
    url = serve()
    first = generate(url, ann, n=2)
    names = ("limit", "remaining", "reset")
    assert [first.headers[f"x-ratelimit-{name}-requests"] for name in names[:2]] == ["3", "1"]
    assert first.headers["x-ratelimit-reset-requests"].endswith("s")
    with openai.OpenAI(base_url=f"{url}/v1", api_key=ann, max_retries=0) as client:
        with pytest.raises(openai.RateLimitError) as refused:
            client.images.generate(prompt="a fox", n=2)
        assert refused.value.code == "refused_quota"
        assert 1 <= int(refused.value.response.headers["retry-after"]) <= 60
        assert refused.value.response.headers["x-ratelimit-remaining-requests"] == "1"
    other = generate(url, bob)
    assert other.status_code == 200
    assert "x-ratelimit-limit-requests" not in other.headers
    told = usage(url, ann)
    assert told["total"]["refused"] == 1  # type: ignore[index]
    left = {one["of"]: one["remaining"] for one in told["quota"]}  # type: ignore[attr-defined]
    assert left["pictures a minute"] == 1
    assert left["pictures a day"] == 98
    assert left["seconds of a worker a day"] == pytest.approx(1e6 - 2 * STILL.seconds, abs=0.01)


def test_a_server_without_keys_tells_its_own_sums(serve: Serve):
    url = serve()
    generate(url)
    assert usage(url, "any")["total"]["made"] == 1  # type: ignore[index]
    assert httpx.get(f"{url}/v1/usage?days=0").status_code == 400


def account(**values: object) -> Account:
    return dataclasses.replace(Account("gen_1", 1), **values)  # type: ignore[arg-type]


def test_what_is_reused_computes_nothing_and_saves_all():
    made = account(point="fast", speedup=2.5, seconds={"queue": 3.0, "compute": 0.4})
    exact = account(point="fast", speedup=2.5, reuse="exact", seconds={"compute": 0.4})
    outcome = Outcome("acme", "key_1", "stub", "made", 1.0, (made, exact))
    assert outcome.computed == pytest.approx(0.4)
    assert outcome.saved(STILL) == pytest.approx(0.4 * 1.5 + STILL.seconds)
    assert tally(outcome, STILL) == Tally(1, 2, 1, 0, 0, 0, outcome.computed, outcome.saved(STILL))


def outcome(key: str, end: str = "made") -> Outcome:
    return Outcome("acme", key, "stub", end, 1.0, (account(seconds={"compute": 1.0}),))  # type: ignore[arg-type]


def test_servers_add_to_the_same_sums_and_old_ones_leave(database_url: str):
    now = [400.0 * DAY]
    with Database(database_url) as database:
        books = [TallyBook(TallyStore(database), Tallies(lambda: now[0])) for _ in range(2)]

        async def count() -> list[tuple[Place, Tally]]:
            for book in books:
                book.tallies.add(outcome("key_1"), STILL)
                await book.write()
            books[0].tallies.add(outcome("key_1"), STILL)  # not written yet
            books[0].tallies.add(outcome("key_2"), STILL)
            return await books[0].read("acme", "key_1", 1)

        (row,) = asyncio.run(count())
        assert row == (Place(400, "acme", "key_1", "stub"), Tally(3, 3, computed=3.0))
        asyncio.run(books[0].write())
        assert asyncio.run(books[1].read("acme", "key_1", 1)) == [row]
        assert asyncio.run(books[1].read("other", "key_1", 1)) == []
        now[0] += DAY
        assert asyncio.run(books[1].read("acme", "key_1", 1)) == []
        assert asyncio.run(books[1].read("acme", "key_1", 2)) == [row]
        now[0] += (KEEP_DAYS + 1) * DAY
        books[0].tallies.add(outcome("key_1"), STILL)
        asyncio.run(books[0].write())
        assert len(asyncio.run(books[0].read("acme", "key_1", 10_000))) == 1


def test_sums_that_cannot_be_written_wait(database_url: str):
    database = Database(database_url)
    store = TallyStore(database)
    book = TallyBook(store, Tallies(lambda: 400.0 * DAY))
    book.tallies.add(outcome("key_1"), STILL)
    with database.writing() as connection:
        connection.execute(database.sa.text("ALTER TABLE key_usage RENAME TO away"))
    asyncio.run(book.write())
    book.tallies.add(outcome("key_1"), STILL)
    with database.writing() as connection:
        connection.execute(database.sa.text("ALTER TABLE away RENAME TO key_usage"))
    assert asyncio.run(book.read("acme", "key_1", 1))[0][1].requests == 2
    database.close()
