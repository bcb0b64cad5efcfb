"""What was made before, kept in the browser."""

from __future__ import annotations

from typing import Any

from tests.serve.stub_worker import StubWorker
from tests.serve.web.looking import done, pixels, until

EVIL = "<img src=x onerror=\"document.title='evil'\"><script>document.title='evil'</script>"


def make(page: Any, prompt: str) -> None:
    page.fill("#prompt", prompt)
    page.click("#go")
    until(page, "document.querySelector('#history-list .words')?.textContent ?? ''", prompt)


def test_it_outlives_the_page_and_puts_settings_back(page: Any, worker: StubWorker):
    page.fill("#guidance", "3")
    page.focus("#point")
    page.keyboard.press("End")
    make(page, "a fox")
    shown = pixels(page)
    page.fill("#guidance", "2.5")
    page.check("#auto")
    make(page, "a hen")
    page.reload()
    page.wait_for_selector("#go:enabled")
    assert page.locator("#history-list .words").all_inner_texts() == ["a hen", "a fox"]
    page.click("#history-list li:nth-child(2) button")
    done(page)
    assert pixels(page) == shown
    fields = [page.input_value(f"#{id}") for id in ("prompt", "guidance", "seed", "point")]
    assert fields == ["a fox", "3", str(worker.tasks[0].seed), "3"]
    assert page.is_checked("#locked")
    assert not page.is_checked("#auto")
    page.click("#go")
    until(page, "document.querySelectorAll('#history-list li').length", 3)
    assert pixels(page) == shown
    assert len(worker.tasks) == 2  # it is the same request, which is not made again


def test_it_is_forgotten_when_told_to(page: Any):
    make(page, "a fox")
    page.click("#forget")
    page.wait_for_selector("#history", state="hidden")
    page.reload()
    page.wait_for_selector("#go:enabled")
    assert page.locator("#history-list li").count() == 0


def test_prompts_stay_text(page: Any, worker: StubWorker):
    make(page, EVIL)
    assert page.locator("#history-list .words").all_inner_texts() == [EVIL]
    assert worker.tasks[0].arguments["prompt"] == EVIL
    page.click("#account summary")
    page.click("#history-list button")
    page.select_option("#model", "moving")
    page.fill("#prompt", EVIL)
    page.click("#go")
    page.wait_for_selector("#video-list li[data-status=completed]")
    assert page.locator("#video-list .words").all_inner_texts() == [EVIL]
    page.click("#video-list button:text('Remix')")
    assert EVIL in page.inner_text("#remix")
    assert page.title() == "Play – evocache"
    assert page.locator("img[onerror], script:not([src])").count() == 0
