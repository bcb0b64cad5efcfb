"""The operator's page, in Chromium, and both pages at two sizes."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from evocache.serve.service import Service
from evocache.serve.settings import Settings
from tests.serve.running_server import running
from tests.serve.stub_worker import StubWorker
from tests.serve.web.conftest import ROUTERS
from tests.serve.web.looking import until, until_text


def test_it_shows_what_the_server_does(opened: Any, address: str, worker: StubWorker):
    asked = {"prompt": "a secret fox", "user": "somebody", "speedup": 2.5, "quality": 38}
    for _ in range(3):
        httpx.post(f"{address}/v1/images/generations", json=asked, timeout=60).raise_for_status()
    opened.goto(f"{address}/operator")
    opened.wait_for_selector("main:not([hidden])")
    assert "fast\n3, 100 %" in opened.inner_text("#points")
    assert "made\n3" in opened.inner_text("#ends")
    assert "made\n3" in opened.inner_text("#reuse")
    assert "0 % were there or on their way" in opened.inner_text("#reuse")
    assert opened.inner_text("#drift") == "none found"
    assert opened.locator("#models tbody tr").count() == 2
    assert opened.inner_text("#tiles li:nth-child(1) strong") == "0"
    worker.gate.clear()
    with httpx.Client(timeout=60) as client:
        video = client.post(f"{address}/v1/videos", json={"prompt": "a secret hen", "model": "moving"}).json()
        until(opened, "document.querySelector('#tiles li:nth-child(2) strong').textContent", "1")
        assert "0 wait, 1 run" in opened.inner_text("#users")
        label = opened.get_attribute("#charts svg >> nth=0", "aria-label")
        assert label.startswith("Queue: now waiting 0, running 1")
        until_text(opened, "#jobs", "running")
        client.delete(f"{address}/v1/videos/{video['id']}")
    worker.gate.set()
    text = opened.inner_text("body")
    assert "secret" not in text
    assert "somebody" not in text


def test_it_shows_predicted_and_measured_quality(opened: Any):
    worker = StubWorker()
    service = Service(Settings({"stub": "stub"}, measure=1.0), [worker])
    service.audit.idle, service.audit.pause = 0.0, 0.01
    with running(service, routers=ROUTERS) as address:
        opened.goto(f"{address}/operator")
        opened.wait_for_selector("main:not([hidden])")
        assert not opened.is_visible("#quality-section")
        asked = {"prompt": "a fox", "speedup": 2.5, "quality": 38}
        httpx.post(f"{address}/v1/images/generations", json=asked, timeout=60).raise_for_status()
        until_text(opened, "#quality", "stub fast")
        name, predicted, measured, worst, samples = opened.inner_text("#quality tbody tr").split("\t")
        (row,) = service.audit.figures()["points"]
        assert (name, predicted, samples) == ("stub fast", "38 dB", "1")
        assert measured == worst
        assert float(measured.removesuffix(" dB")) == pytest.approx(row["mean"], abs=0.06)


def test_lines_go_on_after_a_visit_to_the_other_page(opened: Any, address: str):
    opened.goto(f"{address}/operator")
    opened.wait_for_selector("main:not([hidden])")
    until(opened, "document.querySelector('#charts polyline').getAttribute('points').split(' ').length >= 3")
    opened.click("nav a[href='/']")
    opened.wait_for_selector("#go:enabled")
    opened.click("nav a[href='/operator']")
    opened.wait_for_selector("#charts polyline", state="attached")
    points = opened.get_attribute("#charts polyline >> nth=0", "points")
    assert len(points.split(" ")) >= 3


@pytest.mark.parametrize("path", ["/", "/operator"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_overflows_or_is_too_faint(opened: Any, address: str, path: str, scheme: str, width: int):
    opened.set_viewport_size({"width": width, "height": 844})
    opened.emulate_media(color_scheme=scheme)
    opened.goto(address + path)
    opened.wait_for_selector("#go:enabled" if path == "/" else "main:not([hidden])")
    if path == "/":
        opened.check("#beside")
        opened.fill("#prompt", "a fox " * 40 + "x" * 200)
        opened.click("#go")
        opened.wait_for_selector("#compare:not([hidden])")
        opened.click("#account summary")
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    colours = "(name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()"
    paper, *inks = (opened.evaluate(colours, name) for name in ("--paper", "--ink", "--faint", "--front", "--bad"))
    assert min(contrast(ink, paper) for ink in inks) >= 4.5  # WCAG 2.2, 1.4.3


@pytest.mark.parametrize("path", ["/", "/operator"])
def test_every_field_has_a_name(opened: Any, address: str, path: str):
    opened.goto(address + path)
    opened.wait_for_selector("#go:enabled" if path == "/" else "main:not([hidden])")
    unnamed = """[...document.querySelectorAll("input, select, textarea, button, progress, meter, svg")]
        .filter((one) => !(one.labels?.length || one.ariaLabel || one.getAttribute("aria-labelledby")
          || (one.tagName === "BUTTON" && one.textContent.trim())))
        .map((one) => one.outerHTML)"""
    assert opened.evaluate(unnamed) == []
    assert opened.locator("h1").count() == 1


def contrast(one: str, other: str) -> float:
    """The contrast of two colours such as `#0072b2`."""
    light, dark = sorted(map(luminance, (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """The relative luminance of a colour, as WCAG defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
