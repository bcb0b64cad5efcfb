"""A service over a stub, asked within one loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from evocache.serve.requests.answer import Answer
from evocache.serve.requests.identity import Identity
from evocache.serve.requests.request import GenerationRequest, Wishes
from evocache.serve.reuse.settings import ReuseSettings
from evocache.serve.service import Service
from evocache.serve.settings import Settings
from tests.serve.stub_worker import StubWorker

ADA, BEN = Identity("acme", "ada"), Identity("acme", "ben")


class Served:
    """A service that runs, and its stub."""

    def __init__(self, service: Service, worker: StubWorker) -> None:
        self.service, self.worker = service, worker

    async def ask(self, who: Identity = ADA, prompt: str = "a fox", **wanted: Any) -> list[Answer]:
        """Ask for pictures; the rest is of the request, its wishes, or of `generate`."""
        beside = {name: wanted.pop(name) for name in ("watch", "previews") if name in wanted}
        wishes = {name: wanted.pop(name) for name in vars(Wishes()) if name in wanted}
        own = {name: wanted.pop(name) for name in ("seed", "count", "pictures") if name in wanted}
        request = GenerationRequest("stub", {"prompt": prompt, **wanted}, wishes=Wishes(**wishes), **own)
        return await self.service.generate(request, who, **beside)

    async def reuse_of(self, *who: Identity, **wanted: Any) -> list[str]:
        """How the same request is answered for some, one after the other, when what was made before is stored."""
        found = []
        for one in who:
            await self.until(lambda: not self.service.reuse.figures()["flights"])
            found.append((await self.ask(one, **wanted))[0].account.reuse)
        return found

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is so."""
        for _ in range(4000):
            if true():
                return
            await asyncio.sleep(0.002)
        raise AssertionError("it never was")


def serve(
    main: Callable[[Served], Awaitable[None]],
    worker: StubWorker | None = None,
    *,
    folder: Path | None = None,
    **reuse: Any,
) -> Service:
    """Run a coroutine over a service that is ready; returns the service, which has ended."""
    worker = worker or StubWorker()
    service = Service(Settings({"stub": "stub"}, folder=folder, reuse=ReuseSettings(**reuse)), [worker])

    async def run() -> None:
        async with service:
            served = Served(service, worker)
            await served.until(lambda: not service.unready())
            service.reuse._results._tenants.of("acme")  # so that who asks first begins first
            await main(served)

    asyncio.run(run())
    return service
