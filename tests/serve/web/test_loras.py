"""LoRAs on the page to play, in Chromium."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.serve.stub_worker import INKED, StubWorker, picture_of
from tests.serve.web.conftest import FILM, SIDES
from tests.serve.web.looking import done, pixels, until

INK = replace(INKED.loras[0], context={**INKED.context, **SIDES})
PICTURE = replace(
    INKED,
    defaults={**INKED.defaults, **SIDES},
    context={**INKED.context, **SIDES},
    seconds=0.8,
    loras=(INK, INKED.loras[1]),
)


@pytest.fixture
def worker() -> StubWorker:
    return StubWorker(PICTURE, FILM)


def generate(page: Any, prompt: str = "a fox") -> None:
    page.fill("#prompt", prompt)
    page.click("#go")
    page.wait_for_selector("#go:visible")
    done(page)


def test_none_acts_unless_it_is_chosen(page: Any, worker: StubWorker):
    assert page.locator("#loras").is_visible()
    assert page.locator("#lora-list label").all_inner_texts() == ["ink", "clay"]
    generate(page)
    page.check("#lora-list >> text=ink")
    page.fill("[aria-label='Weight of ink']", "0.5")
    generate(page)
    assert [dict(task.loras) for task in worker.tasks] == [{}, {"ink": 0.5}]
    assert pixels(page) == picture_of(worker.tasks[1], 64, 64).pixels
    page.select_option("#model", "moving")
    assert page.locator("#loras").is_hidden()


def test_the_slider_is_of_the_front_that_holds_for_what_is_chosen(page: Any, worker: StubWorker):
    page.check("#lora-list >> text=ink")
    assert page.inner_text("#point-said strong") == "2×"
    assert "36 dB" in page.inner_text("#point-said span")
    generate(page)
    page.fill("[aria-label='Weight of ink']", "0.5")
    assert "LoRA is ink 0.5, measured at ink 0.8 alone" in page.inner_text("#outside")
    page.uncheck("#lora-list >> text=ink")
    page.check("#lora-list >> text=clay")
    assert "LoRA is clay 1, measured at none" in page.inner_text("#outside")
    generate(page)
    page.uncheck("#lora-list >> text=clay")
    assert page.locator("#outside").is_hidden()
    generate(page)
    assert [task.point for task in worker.tasks] == [3, None, 0]  # that which is nearest to the one chosen before


def test_what_is_shown_again_has_its_loras(page: Any):
    page.check("#lora-list >> text=ink")
    page.fill("[aria-label='Weight of ink']", "0.5")
    generate(page)
    page.click("#account summary")
    command, python = page.locator("#account pre").all_inner_texts()
    assert '"loras":{"ink":0.5}' in command
    assert '"loras": {"ink":0.5}' in python
    page.uncheck("#lora-list >> text=ink")
    page.click("#history-list button")
    until(page, "document.querySelector('#lora-list input').checked")
    assert page.input_value("[aria-label='Weight of ink']") == "0.5"


def test_pictures_that_are_given_are_made_with_loras(page: Any, worker: StubWorker, tmp_path: Path):
    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    page.set_input_files("#image", tmp_path / "red.png")
    page.check("#lora-list >> text=clay")
    generate(page)
    (task,) = worker.tasks
    assert (dict(task.loras), list(task.pictures)) == ({"clay": 1.0}, ["image"])
    page.click("#account summary")
    assert "-F 'loras[clay]=1'" in page.locator("#account pre").first.inner_text()
