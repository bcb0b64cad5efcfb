"""The embedded model, as a worker has it."""

from __future__ import annotations

import threading

import numpy as np
import torch

from evocache import zoo
from evocache.serve.workers.local import LocalWorker
from evocache.serve.workers.process import ProcessWorker
from evocache.serve.workers.task import Picture, Task
from evocache.serve.workers.updates import Made, Previewed, Progressed
from evocache.serve.workers.worker import WorkerSettings
from tests.cli.conftest import weights
from tests.serve.workers.told import Told, plainly

FOX = {"prompt": "a red fox"}


def test_the_embedded_model_is_served_as_it_is_called() -> None:
    weights()
    told, worker = Told(), LocalWorker(WorkerSettings({"emoji": "zoo:emoji"}, {}, threads=1))
    (card,) = worker.start(told)
    assert (card.kind, card.defaults["height"], card.defaults["num_inference_steps"]) == ("picture", 48, 20)
    assert len(card.points) == 10
    assert card.context == {"guidance_scale": 2.5, "height": 48, "width": 48}
    worker.submit(Task("fox", "emoji", FOX, 11))
    worker.submit(Task("fast", "emoji", FOX, 11, point=2))
    pipe = zoo.load("zoo:emoji")
    expected = plainly(pipe, 11, **FOX)
    made = told.end("fox").picture.pixels
    assert np.abs(np.frombuffer(made, np.uint8).astype(int) - np.frombuffer(expected, np.uint8)).max() <= 1
    worker.submit(Task("alone", "emoji", FOX, 11))
    assert told.end("alone").picture.pixels == expected
    assert isinstance(told.end("fast"), Made)
    assert told.end("fast").picture.pixels != expected
    worker.close()


def test_a_mask_on_the_parts_of_the_embedded_unet_keeps_what_is_black() -> None:
    weights()
    told, worker = Told(), LocalWorker(WorkerSettings({"unet": "zoo:emoji-unet"}, {}, threads=1))
    (card,) = worker.start(told)
    assert {"image", "mask_image", "strength"} <= card.arguments
    worker.submit(Task("fox", "unet", {"prompt": "fox on a light blue background"}, 7))
    fox = told.end("fox").picture
    mask = Picture(bytes([0] * 24 + [255] * 24) * 48, 48, 48, channels=1)
    given = {"image": fox, "mask_image": mask}
    worker.submit(Task("painted", "unet", {"prompt": "fox on a red background"}, 7, given))
    before, after = (
        np.frombuffer(one.pixels, np.uint8).reshape(48, 48, 3).astype(int) for one in (fox, told.end("painted").picture)
    )
    assert abs(after - before)[:, :20].mean() < 6
    warmer = (after - before)[..., 0] - (after - before)[..., 2]
    assert warmer[:8, 40:].mean() > 10 + 2 * abs(warmer[:8, :8].mean())
    worker.close()


def test_in_a_process_of_its_own_it_is_the_same_until_that_is_killed() -> None:
    weights()
    told, gone = Told(), threading.Event()
    settings = WorkerSettings({"emoji": "zoo:emoji"}, {}, device="cpu", threads=torch.get_num_threads())
    worker = ProcessWorker(settings, when_gone=lambda why: gone.set())
    (card,) = worker.start(told)
    assert len(card.points) == 10
    worker.submit(Task("fox", "emoji", FOX, 11))
    expected = plainly(zoo.load("zoo:emoji"), 11, **FOX)
    assert told.end("fox").picture.pixels == expected
    worker.submit(Task("long", "emoji", {**FOX, "num_inference_steps": 500}, 11))
    told.first("long", Progressed)
    worker.preview("long")
    assert told.first("long", Previewed).picture.width == 48
    worker.ping()
    worker.submit(Task("odd", "emoji", {**FOX, "height": 33}, 11))
    assert told.end("odd").reason == "input"
    assert worker.figures()["open"] == 1
    worker.kill()
    assert told.end("long").reason == "worker"
    assert gone.wait(30)
    worker.close()
