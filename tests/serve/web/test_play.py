"""The page to play with models, in Chromium."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.serve.stub_worker import StubWorker, picture_of
from tests.serve.web.looking import PICTURE, done, pixels, until_text


def test_enter_generates_what_the_form_says(page: Any, worker: StubWorker):
    page.fill("#negative", "blue")
    page.fill("#seed", "7")
    page.fill("#prompt", "a fox")
    page.press("#prompt", "Enter")
    done(page)
    (task,) = worker.tasks
    assert task.arguments == {"prompt": "a fox", "negative_prompt": "blue"}
    assert (task.seed, task.point) == (7, 1)
    assert pixels(page) == picture_of(task, 64, 64).pixels
    account = page.inner_text("#account")
    assert "2.5× (fast)" in account
    assert "38 dB to uncached" in account
    assert "made for this request" in account


def test_a_new_line_is_no_wish_to_generate(page: Any, worker: StubWorker):
    page.fill("#prompt", "a fox")
    page.press("#prompt", "Shift+Enter")
    page.keyboard.type("and a hen")
    page.click("#go")
    done(page)
    assert [task.arguments["prompt"] for task in worker.tasks] == ["a fox\nand a hen"]


@pytest.mark.parametrize(
    ("keys", "said", "point"),
    [
        (["Home"], "uncached: everything is computed, about 0.8 s", None),
        (["Home", "ArrowRight"], "1.5×: 46 dB to uncached, about 0.53 s instead of 0.8 s", 0),
        (["End"], "3.5×: 30 dB to uncached, about 0.23 s instead of 0.8 s", 2),
    ],
)
def test_the_slider_chooses_the_point(page: Any, worker: StubWorker, keys: list[str], said: str, point: int | None):
    page.focus("#point")
    for key in keys:
        page.keyboard.press(key)
    assert page.get_attribute("#point", "aria-valuetext") == said
    page.fill("#prompt", "a fox")
    page.click("#go")
    done(page)
    assert [task.point for task in worker.tasks] == [point]


def test_auto_leaves_the_choice_to_the_server(page: Any, worker: StubWorker):
    page.check("#auto")
    assert page.inner_text("#point-said strong") == "auto"
    page.fill("#prompt", "a fox")
    page.click("#go")
    done(page)
    assert [task.point for task in worker.tasks] == [0]
    page.focus("#point")
    page.keyboard.press("End")
    assert not page.is_checked("#auto")


def test_what_lies_outside_of_the_front_is_said_before(page: Any, worker: StubWorker):
    page.fill("#guidance", "5")
    assert "guidance scale is 5, measured at 2.5" in page.inner_text("#outside")
    assert page.get_attribute("#point", "aria-valuetext") == "uncached: everything is computed, about 0.8 s"
    page.fill("#steps", "10")
    assert "about 0.4 s" in page.inner_text("#point-said")
    page.fill("#width", "32")
    page.fill("#prompt", "a fox")
    page.click("#go")
    done(page)
    (task,) = worker.tasks
    assert task.point is None
    assert task.arguments == {"prompt": "a fox", "guidance_scale": 5, "num_inference_steps": 10, "width": 32}
    assert "the front of stub says nothing here" in page.inner_text("#account")


def test_seeds_are_drawn_unless_they_are_locked(page: Any, worker: StubWorker):
    for prompt, locked in (("a fox", False), ("a fox", False), ("a hen", True)):
        page.fill("#prompt", prompt)
        page.set_checked("#locked", locked)
        page.click("#go")
        page.wait_for_selector("#go:visible")
        done(page)
    first, second, third = (task.seed for task in worker.tasks)
    assert first != second
    assert second == third


def test_progress_and_previews_on_the_way(page: Any, worker: StubWorker):
    worker.gate.clear()
    page.fill("#prompt", "a fox")
    page.click("#go")
    until_text(page, "#progress-said", "step 1 of 20")
    assert page.eval_on_selector("#progress", "(bar) => bar.value") == pytest.approx(0.05)
    worker.seconds = 0.05
    worker.gate.set()
    page.wait_for_selector("#pictures img.partial")
    done(page)
    assert page.is_hidden("#running")


@pytest.mark.parametrize("how", ["button", "key"])
def test_what_is_cancelled_is_computed_no_further(page: Any, worker: StubWorker, how: str):
    worker.gate.clear()
    page.fill("#prompt", "a fox")
    page.click("#go")
    until_text(page, "#progress-said", "step 1 of 20")
    page.click("#stop") if how == "button" else page.keyboard.press("Escape")
    page.wait_for_selector("#go:visible")
    assert "Cancelled" in page.inner_text("#pictures")
    for _ in range(2000):
        if not worker.open_tasks:
            break
        time.sleep(0.005)
    assert not worker.open_tasks


def test_side_by_side_with_uncached(page: Any, worker: StubWorker):
    page.fill("#prompt", "a fox")
    page.check("#beside")
    page.click("#go")
    page.wait_for_selector("#compare:not([hidden])")
    assert [task.point for task in worker.tasks] == [1, None]
    assert len({task.seed for task in worker.tasks}) == 1
    assert page.locator(PICTURE).count() == 2
    assert page.inner_text("#measured").startswith("Measured: 7.")  # two pictures of nothing but noise
    page.click("#difference")
    assert page.locator("#pictures canvas").count() == 1
    assert "Difference" in page.inner_text("figcaption >> nth=0")
    page.click("#difference")
    assert page.locator(PICTURE).count() == 2


def test_pictures_that_are_given(page: Any, worker: StubWorker, tmp_path: Path):
    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    page.set_input_files("#image", tmp_path / "red.png")
    assert "image is given, measured at none" in page.inner_text("#outside")
    page.fill("#strength", "0.5")
    page.fill("#seed", "7")
    page.fill("#prompt", "a fox")
    page.click("#go")
    done(page)
    (task,) = worker.tasks
    assert task.pictures["image"].pixels == b"\xff\x00\x00" * 64 * 64
    assert (task.arguments["strength"], task.seed, task.point) == (0.5, 7, None)
    page.click("#account summary")
    command, python = page.locator("#account pre").all_inner_texts()
    assert "/v1/images/edits -F image=@picture.png" in command
    assert 'client.images.edit(image=open("picture.png", "rb"), model="stub"' in python


def test_the_same_from_a_program(page: Any):
    page.fill("#prompt", "a fox's den")
    page.fill("#seed", "7")
    page.click("#go")
    done(page)
    page.click("#account summary")
    command, python = page.locator("#account pre").all_inner_texts()
    assert '"prompt":"a fox\'\\\'\'s den","seed":7,"speedup":2.5,"quality":38}' in command
    assert 'extra_body={"seed": 7, "speedup": 2.5, "quality": 38}' in python
    compile(python, "python", "exec")
