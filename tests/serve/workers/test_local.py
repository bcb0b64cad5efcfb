"""A worker in this process: what it gives is what plain calls give, and of each task one end is told."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import evocache
from evocache.errors import BudgetError, GenerationError, InputError, MismatchError
from evocache.schedule.front import Front
from evocache.serve.workers.card import ModelCard
from evocache.serve.workers.local import LocalWorker
from evocache.serve.workers.task import Picture, Task
from evocache.serve.workers.updates import Cancelled, Failed, Made, Previewed, Progressed
from evocache.serve.workers.worker import WorkerSettings
from tests.serve.workers.conftest import write_front
from tests.serve.workers.told import Told, plainly
from tests.tiny import KNOWN_WARNINGS
from tests.tiny.base import picture

pytestmark = [pytest.mark.filterwarnings(f"ignore:{pattern}") for pattern in KNOWN_WARNINGS]

FOX = {"prompt": "a red fox"}


def cards_of(worker: LocalWorker) -> dict[str, ModelCard]:
    return worker.cards  # type: ignore[attr-defined, no-any-return]


def test_a_picture_is_that_of_the_plain_call(worker: LocalWorker, told: Told, pipelines: dict[str, Any]) -> None:
    worker.submit(Task("still", "still", {**FOX, "guidance_scale": None}, 7))
    end = told.end("still")
    assert isinstance(end, Made)
    assert (end.picture.width, end.picture.height, end.picture.frames, end.picture.channels) == (32, 32, 1, 3)
    assert end.picture.pixels == plainly(pipelines["still"], 7, **FOX)
    assert end.picture.pixels != plainly(pipelines["still"], 8, **FOX)
    assert end.seconds["compute"] > 0
    assert end.seconds["wait"] >= 0


def test_a_film_is_that_of_the_plain_call(worker: LocalWorker, told: Told, pipelines: dict[str, Any]) -> None:
    worker.submit(Task("film", "film", FOX, 3))
    worker.submit(Task("longer", "film", {**FOX, "num_frames": 5}, 3))
    end = told.end("film")
    assert (end.picture.width, end.picture.height, end.picture.frames) == (32, 32, 3)
    assert end.picture.pixels == plainly(pipelines["film"], 3, **FOX)
    assert told.end("longer").picture.frames == 5


def test_a_point_is_applied_and_its_label_stays_with_its_schedule(
    worker: LocalWorker, told: Told, pipelines: dict[str, Any], front: Path
) -> None:
    card = cards_of(worker)["still"]
    assert [(p.index, p.speedup, p.quality, p.steps) for p in card.points] == [
        (0, 1.8, 30.0, 4),
        (1, 2.0, 15.0, 2),
        (2, 3.0, 20.0, 4),
    ]
    points = {point.figure("speedup"): point for point in Front.load(front)}
    assert all(points[p.speedup].schedule.digest.startswith(p.label) for p in card.points)
    for number, speedup in ((0, 1.8), (1, 2.0)):
        worker.submit(Task(f"point {number}", "still", FOX, 7, point=number))
        with evocache.apply(pipelines["still"], points[speedup]):
            assert told.end(f"point {number}").picture.pixels == plainly(pipelines["still"], 7, **FOX)
    assert told.first("point 1", Progressed)
    assert {update.steps for update in told.of["point 1"] if isinstance(update, Progressed)} <= {0, 2}


def test_cards_say_what_models_take_and_what_their_fronts_hold_for(worker: LocalWorker) -> None:
    still, unet, film = (cards_of(worker)[name] for name in ("still", "unet", "film"))
    assert (still.kind, unet.kind, film.kind) == ("picture", "picture", "video")
    assert {"prompt", "negative_prompt", "guidance_scale", "num_inference_steps", "height", "width"} <= still.arguments
    assert not still.arguments & {"image", "latents", "output_type", "callback", "generator", "num_images_per_prompt"}
    assert still.defaults["num_inference_steps"] == 4
    assert film.defaults["num_frames"] == 3
    assert {"image", "mask_image", "strength"} <= unet.arguments
    assert still.context == {"guidance_scale": 4.5, "height": 32, "width": 32}
    assert not unet.points
    assert not unet.context
    assert min(still.seconds, unet.seconds, film.seconds, still.bytes) > 0
    assert len({still.fingerprint, unet.fingerprint, film.fingerprint}) == 3


def given_picture(size: int = 32) -> Picture:
    return Picture(picture().resize((size, size)).tobytes(), size, size)


def test_a_picture_is_begun_with_on_the_model_s_own_parts(
    worker: LocalWorker, told: Told, pipelines: dict[str, Any]
) -> None:
    from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline

    parts = {**pipelines["unet"].components, "requires_safety_checker": False}
    mask = Picture(bytes([0] * 512 + [255] * 512), 32, 32, channels=1)
    asked = {**FOX, "strength": 0.75}
    worker.submit(Task("begun", "unet", asked, 5, {"image": given_picture()}))
    worker.submit(Task("sized", "unet", {**asked, "width": 48, "height": 32}, 5, {"image": given_picture(64)}))
    worker.submit(Task("masked", "unet", asked, 5, {"image": given_picture(), "mask_image": mask}))
    made = told.end("begun").picture
    pipe = StableDiffusionImg2ImgPipeline(**parts)
    pipe.set_progress_bar_config(disable=True)
    assert made.pixels == plainly(pipe, 5, image=picture(), num_inference_steps=4, guidance_scale=7.5, **asked)
    assert (told.end("sized").picture.width, told.end("sized").picture.height) == (48, 32)
    painter = StableDiffusionInpaintPipeline(**parts)
    painter.set_progress_bar_config(disable=True)
    from PIL import Image

    over = Image.frombytes("L", (32, 32), mask.pixels)
    usual = {"num_inference_steps": 4, "guidance_scale": 7.5, "height": 32, "width": 32}
    expected = plainly(painter, 5, image=picture(), mask_image=over, **usual, **asked)
    worker.submit(
        Task(
            "as large", "unet", {**asked, "height": 32, "width": 32}, 5, {"image": given_picture(), "mask_image": mask}
        )
    )
    assert told.end("as large").picture.pixels == expected
    assert isinstance(told.end("masked"), Made)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"arguments": {**FOX, "latents": 1}}, "latents"),
        ({"arguments": {**FOX, "height": "tall"}}, "TypeError"),
        ({"arguments": {**FOX, "height": 33}}, "divisible by 8"),
        ({"arguments": {}}, "prompt"),
        ({"point": 3}, "one of 3 points"),
        ({"model": "nothing"}, "one of still, unet, film"),
        ({"seed": 1 << 70}, "64 bits"),
        ({"model": "unet", "pictures": {"image": Picture(bytes(10), 32, 32)}}, "a byte for each number"),
        ({"model": "unet", "pictures": {"image": Picture(b"", 0, 0)}}, "a byte for each number"),
        ({"model": "unet", "arguments": {"prompt": "a fox", "image": "/etc/passwd"}}, "pictures among pictures"),
        ({"model": "unet", "arguments": FOX, "pictures": {"mask_image": Picture(bytes(3072), 32, 32)}}, "format"),
    ],
)
def test_what_is_asked_for_wrongly_is_said_to_be_the_asker_s(
    worker: LocalWorker, told: Told, wrong: dict[str, Any], word: str
) -> None:
    id = f"wrong {word} {wrong}"
    worker.submit(Task(**{"id": id, "model": "still", "arguments": FOX, "seed": 1, **wrong}))
    end = told.end(id)
    assert isinstance(end, Failed)
    assert end.reason == "input"
    assert word in end.text
    assert "\n" not in end.text


def test_a_task_ends_within_a_step_of_its_cancellation(worker: LocalWorker, told: Told) -> None:
    worker.submit(Task("long", "still", {**FOX, "num_inference_steps": 900}, 1))
    assert told.first("long", Progressed).steps in (0, 900)
    worker.cancel("long")
    assert told.end("long") == Cancelled()
    worker.cancel("long")
    worker.cancel("never asked for")
    steps = [update.step for update in told.of["long"] if isinstance(update, Progressed)]
    assert steps == sorted(steps)
    assert max(steps) < 900


def test_a_preview_is_told_where_it_is_asked_for(worker: LocalWorker, told: Told, pipelines: dict[str, Any]) -> None:
    worker.submit(Task("shown", "still", {**FOX, "num_inference_steps": 300}, 9))
    told.first("shown", Progressed)
    worker.preview("shown")
    found = told.first("shown", Previewed)
    assert (found.picture.width, found.picture.height, found.picture.frames) == (32, 32, 1)
    assert 0 < found.step < 300
    worker.cancel("shown")
    assert told.end("shown") == Cancelled()
    worker.preview("shown")
    worker.submit(Task("shown film", "film", {**FOX, "num_inference_steps": 60}, 9))
    told.first("shown film", Progressed)
    worker.preview("shown film")
    assert told.first("shown film", Previewed).picture.frames > 1
    worker.cancel("shown film")
    told.end("shown film")


def test_of_each_of_many_tasks_one_end_is_told_and_nothing_after_it(worker: LocalWorker, told: Told) -> None:
    before = worker.figures()
    names = [f"many {number}" for number in range(12)]
    for number, name in enumerate(names):
        worker.submit(Task(name, "still", FOX, number, user=str(number % 3), deadline=60.0))
    for name in names[::3]:
        worker.cancel(name)
    for name in names:
        told.end(name)
        assert len(told.ends(name)) == 1
        assert told.of[name][-1] is told.end(name)
    assert all(isinstance(told.end(name), Made) for name in names if name not in names[::3])
    after = worker.figures()
    assert after["done"] - before["done"] + after["cancelled"] - before["cancelled"] == 12
    assert after["open"] == 0
    assert after["bytes"] > 1e6


def test_an_id_that_is_open_is_refused(worker: LocalWorker, told: Told) -> None:
    worker.submit(Task("twice", "still", {**FOX, "num_inference_steps": 200}, 1))
    with pytest.raises(GenerationError, match="second task"):
        worker.submit(Task("twice", "still", FOX, 1))
    worker.cancel("twice")
    assert told.end("twice") == Cancelled()


def test_closing_ends_what_runs_and_what_waits(loading: None) -> None:
    told, worker = Told(), LocalWorker(WorkerSettings({"still": "still"}, {}, open=1))
    worker.start(told)
    for name in "abc":
        worker.submit(Task(name, "still", {**FOX, "num_inference_steps": 500}, 1))
    told.first("a", Progressed)
    worker.close()
    assert {name: told.of[name][-1] for name in "abc"} == dict.fromkeys("abc", Cancelled())
    assert all(len(told.ends(name)) == 1 for name in "abc")
    with pytest.raises(GenerationError, match="start it"):
        worker.submit(Task("late", "still", FOX, 1))
    worker.close()
    assert worker.figures()["open"] == 0


def test_who_is_told_may_ask_and_may_fail(loading: None) -> None:
    worker, seen, over = LocalWorker(WorkerSettings({"still": "still"}, {})), [], threading.Event()

    def tell(id: str, update: Any) -> None:
        seen.append((id, type(update)))
        if id == "first" and isinstance(update, Made):
            worker.submit(Task("second", "still", FOX, 2))
            raise RuntimeError("whoever is told fails")
        if id == "second" and isinstance(update, Made):
            worker.close()
            over.set()

    worker.start(tell)
    worker.submit(Task("first", "still", FOX, 1))
    assert over.wait(120)
    assert [pair for pair in seen if pair[1] is Made] == [("first", Made), ("second", Made)]


def test_what_cannot_be_held_is_refused_before_anything_runs(
    loading: None, pipelines: dict[str, Any], tmp_path: Path
) -> None:
    def start(models: dict[str, str], fronts: dict[str, str] | None = None, **settings: Any) -> None:
        LocalWorker(WorkerSettings(models, fronts or {}, **settings)).start(Told())

    with pytest.raises(InputError, match="without a model"):
        start({})
    with pytest.raises(InputError, match="a front for film"):
        start({"still": "still"}, {"film": "run"})
    with pytest.raises(BudgetError):
        start({"still": "still"}, memory="1KB")
    with pytest.raises(MismatchError, match="for a StableDiffusionPipeline"):
        start({"unet": "unet"}, {"unet": str(write_front(pipelines["still"], tmp_path / "run"))})


def test_a_front_that_was_evolved_on_other_weights_is_not_offered(
    loading: None, pipelines: dict[str, Any], tmp_path: Path
) -> None:
    run = write_front(pipelines["still"], tmp_path / "run", weights="00000000")
    worker = LocalWorker(WorkerSettings({"still": "still"}, {"still": str(run)}))
    (card,) = worker.start(Told())
    assert card.points == ()
    worker.close()


def test_memory_that_does_not_suffice_for_a_task_is_said_to_be_it(loading: None) -> None:
    told, worker = Told(), LocalWorker(WorkerSettings({"still": "still"}, {}, memory="3MB"))
    worker.start(told)
    worker.submit(Task("large", "still", {**FOX, "height": 512, "width": 512}, 1))
    worker.submit(Task("usual", "still", FOX, 1))
    assert told.end("large").reason == "memory"
    assert isinstance(told.end("usual"), Made)
    worker.close()
