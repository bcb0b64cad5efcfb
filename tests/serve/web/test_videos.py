"""Videos on the page to play."""

from __future__ import annotations

from typing import Any

import pytest

from tests.serve.stub_worker import StubWorker
from tests.serve.web.looking import until


@pytest.fixture
def videos(page: Any) -> Any:
    page.select_option("#model", "moving")
    page.wait_for_selector("#videos:not([hidden])")
    return page


def create(page: Any, prompt: str) -> None:
    page.fill("#prompt", prompt)
    page.press("#prompt", "Enter")


def test_one_is_made_played_remixed_and_deleted(videos: Any, worker: StubWorker):
    worker.gate.clear()
    videos.fill("#seed", "5")
    videos.fill("#frames", "6")
    create(videos, "a fox that runs")
    videos.wait_for_selector("li[data-status=in_progress] progress")
    worker.gate.set()
    videos.wait_for_selector("li[data-status=completed] :is(video, .frame img)")
    assert "64x64, 0.75 s" in videos.inner_text("#video-list li")
    videos.click("#video-list button:text('Remix')")
    assert videos.input_value("#prompt") == "a fox that runs"
    create(videos, "a hen that runs")
    videos.wait_for_selector("li[data-status=completed]:nth-child(2)")
    videos.wait_for_selector("li[data-status=completed]:nth-child(1) :is(video, .frame img)")
    assert videos.locator("#video-list .words").all_inner_texts() == ["a hen that runs", "a fox that runs"]
    assert [(task.seed, task.arguments["num_frames"]) for task in worker.tasks] == [(5, 6), (5, 6)]
    videos.click("#video-list li:nth-child(2) button:text('Delete')")
    until(videos, "document.querySelectorAll('#video-list li').length", 1)
    videos.reload()
    videos.wait_for_selector("#go:enabled")
    videos.select_option("#model", "moving")
    videos.wait_for_selector("li[data-status=completed] .frame img")
    assert videos.locator("#video-list .words").all_inner_texts() == ["a hen that runs"]
    videos.click("#video-list button:text('Play')")
    videos.wait_for_selector("#video-list :is(video, .frame img)")


def test_one_that_failed_says_why(videos: Any):
    create(videos, "fail pipeline")
    videos.wait_for_selector("li[data-status=failed]")
    assert "it failed, as it was told to" in videos.inner_text("#video-list li")
