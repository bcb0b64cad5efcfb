"""LoRAs of a worker: loaded once, chosen by name, and no others' fronts hold for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from diffusers import StableDiffusionImg2ImgPipeline

from evocache.errors import InputError, MismatchError, ModelError
from evocache.loading.lora_files import load_loras
from evocache.serve.workers.card import ModelCard
from evocache.serve.workers.local import LocalWorker
from evocache.serve.workers.messages import pack_cards, pack_start, pack_task, read_cards, read_start, read_task
from evocache.serve.workers.task import Picture, Task
from evocache.serve.workers.updates import Failed, Made
from evocache.serve.workers.worker import LoraSource, WorkerSettings
from tests.serve.workers.conftest import build, write_front
from tests.serve.workers.told import Told, plainly
from tests.tiny import FAMILIES, KNOWN_WARNINGS
from tests.tiny.base import picture
from tests.tiny.loras import save_lora

pytestmark = [pytest.mark.filterwarnings(f"ignore:{pattern}") for pattern in KNOWN_WARNINGS]

FOX = {"prompt": "a red fox"}
WEIGHT = 0.8


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, make = tmp_path_factory.mktemp("loras"), FAMILIES["sd15"].build
    both = save_lora(make, folder / "ink.safetensors", seed=1, parts=("unet", "text_encoder"))
    return {"ink": both, "clay": save_lora(make, folder / "clay.safetensors", seed=2, parts=("unet",))}


def adapted(files: dict[str, Path], **weights: float) -> Any:
    """The pipeline with LoRAs that act, by diffusers' own means."""
    pipe = build("unet")
    load_loras(pipe, {name: files[name] for name in sorted(weights)})
    if weights:
        pipe.enable_lora()
        pipe.set_adapters(sorted(weights), [weights[name] for name in sorted(weights)])
    return pipe


@pytest.fixture(scope="module")
def settings(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> WorkerSettings:
    front = write_front(adapted(files, ink=WEIGHT), tmp_path_factory.mktemp("run"))
    own = write_front(build("unet"), tmp_path_factory.mktemp("own"))
    sources = {"ink": LoraSource(str(files["ink"]), WEIGHT), "clay": LoraSource(str(files["clay"]))}
    return WorkerSettings(
        {"unet": "unet", "still": "still"}, {"unet": str(own), "unet:ink": str(front)}, open=4, loras={"unet": sources}
    )


@pytest.fixture(scope="module")
def cards(loading: None, told: Told, settings: WorkerSettings) -> Iterator[tuple[LocalWorker, dict[str, ModelCard]]]:
    made = LocalWorker(settings)
    yield made, {card.name: card for card in made.start(told)}
    made.close()


def test_cards_name_them(cards: tuple[LocalWorker, dict[str, ModelCard]], loading: None, told: Told) -> None:
    card = cards[1]["unet"]
    ink, clay = card.loras
    assert (ink.name, ink.weight, clay.name, clay.weight) == ("ink", WEIGHT, "clay", 1.0)
    assert ink.fingerprint != clay.fingerprint
    assert [point.index for point in (*card.points, *ink.points)] == list(range(6))
    assert ink.context == {"guidance_scale": 7.5, "guidance_rescale": 0.0, "height": 32, "width": 32}
    assert not clay.points
    assert not cards[1]["still"].loras
    bare = LocalWorker(WorkerSettings({"unet": "unet"}, {}))
    try:
        (plain,) = bare.start(told)
    finally:
        bare.close()
    assert plain.fingerprint == card.fingerprint  # what is registered changes no key of those who do not name it
    assert card.bytes == plain.bytes + ink.bytes + clay.bytes


def test_each_task_is_what_it_is_alone(
    cards: tuple[LocalWorker, dict[str, ModelCard]], told: Told, files: dict[str, Path]
) -> None:
    worker, (ink, _) = cards[0], cards[1]["unet"].loras
    sets: list[dict[str, float]] = [{"ink": WEIGHT}, {}, {"clay": 0.5, "ink": -1.0}, {"clay": 1.0}]
    tasks = [Task(f"task {at}", "unet", FOX, 7, loras=loras) for at, loras in enumerate([*sets, *sets])]
    for task in [*tasks, Task("at a point", "unet", FOX, 7, point=ink.points[0].index, loras={"ink": WEIGHT})]:
        worker.submit(task)
    made = [told.end(task.id).picture.pixels for task in tasks]
    assert len(set(made)) == len(sets)
    for loras, pixels in zip(sets, made, strict=False):
        expected = plainly(adapted(files, **loras), 7, **FOX)
        assert max(abs(one - other) for one, other in zip(expected, pixels, strict=True)) <= 1  # in company
    assert isinstance(told.end("at a point"), Made)
    assert not told.end("at a point").notes
    assert worker.figures()["switches"] > 0


def test_a_picture_is_begun_with_under_them(
    cards: tuple[LocalWorker, dict[str, ModelCard]], told: Told, files: dict[str, Path]
) -> None:
    """A pipeline on the model's parts has its LoRAs, beside requests of the model's own."""
    shown, asked = {"image": Picture(picture().resize((32, 32)).tobytes(), 32, 32)}, {**FOX, "strength": 0.75}
    sets: list[dict[str, float]] = [{"ink": WEIGHT}, {}]
    for at, loras in enumerate(sets):
        cards[0].submit(Task(f"begun {at}", "unet", asked, 5, shown, loras=loras))
        cards[0].submit(Task(f"beside {at}", "unet", FOX, 5, loras=loras))
    ends = [(told.end(f"begun {at}"), told.end(f"beside {at}")) for at in range(len(sets))]
    usual = {"num_inference_steps": 4, "guidance_scale": 7.5}
    for (begun, beside), loras in zip(ends, sets, strict=True):
        pipe = StableDiffusionImg2ImgPipeline(**adapted(files, **loras).components, requires_safety_checker=False)
        pipe.set_progress_bar_config(disable=True)
        expected = plainly(pipe, 5, image=picture(), **usual, **asked)
        assert max(abs(one - other) for one, other in zip(expected, begun.picture.pixels, strict=True)) <= 1
        assert isinstance(beside, Made)


@pytest.mark.parametrize(("model", "loras"), [("unet", {"absent": 1.0}), ("still", {"ink": 1.0})])
def test_others_are_the_request_s_fault(
    cards: tuple[LocalWorker, dict[str, ModelCard]], told: Told, model: str, loras: dict[str, float]
) -> None:
    cards[0].submit(Task(f"wrong {model}", model, FOX, 7, loras=loras))
    end = told.end(f"wrong {model}")
    assert isinstance(end, Failed)
    assert end.reason == "input"
    assert f"LoRA {next(iter(loras))!r}" in end.text


def test_what_does_not_fit_fails_the_start(
    loading: None, told: Told, files: dict[str, Path], settings: WorkerSettings, tmp_path: Path
) -> None:
    ink = settings.loras["unet"]["ink"]
    other = write_front(build("unet"), tmp_path / "run")
    wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"models": {"still": "still"}, "loras": {"still": {"ink": ink}}}, ModelError, "LoRA 'ink'"),
        ({"loras": {"nobody": {"ink": ink}}}, InputError, "LoRAs for nobody"),
        ({"fronts": {"unet:clay": str(other)}, "loras": {"unet": {"ink": ink}}}, InputError, "a front for unet:clay"),
        ({"fronts": {"unet:ink": str(other)}}, MismatchError, "'ink' alone, at weight 0.8"),
        ({"fronts": {}, "loras": {"unet": {"ink": replace(ink, weight=float("nan"))}}}, InputError, "finite"),
    ]
    for changes, kind, text in wrong:
        with pytest.raises(kind, match=text):
            LocalWorker(replace(settings, **{"fronts": {}, **changes})).start(told)


def test_they_come_and_go_with_the_weights_of_their_model(
    loading: None, cards: tuple[LocalWorker, dict[str, ModelCard]], files: dict[str, Path]
) -> None:
    """Where memory holds one model at a time, LoRAs count as their model's weights, wait with these, and act again."""
    sets: list[dict[str, float]] = [{"ink": WEIGHT}, {}, {"clay": 1.0}]
    expected = [plainly(adapted(files, **loras), 7, **FOX) for loras in sets]
    told, sources = Told(), {name: LoraSource(str(path)) for name, path in files.items()}
    most = sum(card.bytes for card in cards[1].values()) - 1
    models = {"unet": "unet", "still": "still"}
    worker = LocalWorker(WorkerSettings(models, {}, memory=f"{most}B", open=4, loras={"unet": sources}))
    try:
        worker.start(told)
        before = worker.figures()["brought"]
        for at, loras in enumerate(sets):
            worker.submit(Task(f"lora {at}", "unet", FOX, 7, loras=loras))
            assert told.end(f"lora {at}").picture.pixels == expected[at]
            worker.submit(Task(f"still {at}", "still", FOX, 7))
            assert isinstance(told.end(f"still {at}"), Made)
        assert worker.figures()["brought"] >= before + 5
    finally:
        worker.close()


def test_messages_say_them(settings: WorkerSettings, cards: tuple[LocalWorker, dict[str, ModelCard]]) -> None:
    assert read_start(pack_start("a:B", settings)) == ("a:B", settings)
    assert read_cards(pack_cards([*cards[1].values()])) == [*cards[1].values()]
    task = Task("task", "unet", FOX, 7, loras={"ink": 0.3})
    assert read_task(pack_task(task)) == task
