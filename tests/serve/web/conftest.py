"""A served stub with its pages, and a page in Chromium that may neither fail nor break its policy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from evocache.serve.service import Service
from evocache.serve.settings import Settings
from evocache.serve.web import pages, state
from tests.serve.running_server import running
from tests.serve.stub_worker import MOVING, STILL, StubWorker

SIDES = {"height": 64, "width": 64}

PICTURE = replace(STILL, defaults={**STILL.defaults, **SIDES}, context={**STILL.context, **SIDES}, seconds=0.8)
FILM = replace(MOVING, defaults={**MOVING.defaults, **SIDES})

ROUTERS = (pages.router, state.router)

VIOLATIONS = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective + event.blockedURI));
"""


@pytest.fixture
def worker() -> StubWorker:
    return StubWorker(PICTURE, FILM, steps=20)


@pytest.fixture
def address(worker: StubWorker) -> Iterator[str]:
    """The address of a server of the stub, with its pages."""
    service = Service(Settings({"stub": "stub", "moving": "moving"}), [worker])
    with running(service, routers=ROUTERS) as url:
        yield url


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    """Debian's Chromium; while it runs, this thread can run no other loop of asyncio."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright drives Chromium; it is not installed")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("there is no Chromium on this machine to look at pages with")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"], timeout=180_000)
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Any) -> Iterator[Any]:
    """A page of 1280x800 that has nothing loaded yet; at the end nothing of it may have failed."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("console", lambda said: page.faults.append(said.text) if is_fault(said) else None)
    page.add_init_script(VIOLATIONS)
    yield page
    assert page.evaluate("window.violations") == []
    assert page.faults == []
    context.close()


def is_fault(said: Any) -> bool:
    """Whether a line of the console tells of a fault; that the server refused something is none."""
    return said.type == "error" and not said.text.startswith("Failed to load resource")


@pytest.fixture
def page(opened: Any, address: str) -> Any:
    """The page to play, which is ready."""
    opened.goto(address)
    opened.wait_for_selector("#go:enabled")
    return opened
