"""Requests that ask for what was asked before: their encoders are not called, and what they give is the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from evocache.errors import BudgetError
from evocache.loading.lora_files import load_loras
from evocache.model.pipeline_components import list_components
from evocache.runtime.attach.subclasses import plain
from evocache.serve.engine.engine import Engine
from tests.serve.calls import difference, engine_threads, tensors
from tests.tiny import FAMILIES
from tests.tiny.arguments import arguments
from tests.tiny.loras import save_lora

Calls = Callable[[Any], list[str]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Returns a list to which the name of each encoder of a pipeline is added when it computes."""

    def watch(pipe: Any) -> list[str]:
        pipe.set_progress_bar_config(disable=True)
        made: list[str] = []
        names = {id(p): name for name, p in list_components(pipe).items() if name.startswith("text_encoder")}
        classes: set[Any] = {plain(getattr(pipe, name)) for name in names.values()}
        for cls in classes:
            monkeypatch.setattr(cls, "forward", counted(cls.forward, names, made))
        return made

    return watch


def counted(forward: Any, names: dict[int, str], made: list[str]) -> Any:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if id(self) in names:  # else it is within another
            made.append(names[id(self)])
        return forward(self, *args, **kwargs)

    return call


def asked(name: str, pipe: Any, seed: int = 0, **more: Any) -> dict[str, Any]:
    return {**arguments(FAMILIES[name], pipe, seed=seed, steps=2), "output_type": "latent", **more}


def same(one: Any, other: Any) -> bool:
    return all(torch.equal(a, b) for a, b in zip(tensors(one), tensors(other), strict=True))


@pytest.mark.table("name", family=lambda name: name)
@pytest.mark.parametrize("name", ["sd15", "sdxl", "pixart", "flux"])
def test_what_was_asked_before_is_the_plain_call_to_the_bit_and_calls_no_encoder(name: str, calls: Calls) -> None:
    pipe = FAMILIES[name].build()
    expected = [pipe(**asked(name, pipe, seed)) for seed in range(2)]
    made = calls(pipe)
    with Engine({"m": pipe}, conditioning="8MB") as engine:
        assert same(expected[0], engine.submit(**asked(name, pipe, 0)).result(60))
        first = list(made)
        for _ in range(2):
            assert same(expected[1], engine.submit(**asked(name, pipe, 1)).result(60))
        figures = engine.figures
        assert len(set(first)) == sum(part.startswith("text_encoder") for part in list_components(pipe))
        assert made == first
        assert figures.conditioning_hits == 2 * len(first)
        assert figures.conditioning_misses == len(first)
        assert figures.conditioning_seconds > 0 < figures.conditioning_bytes
    assert figures.conditioning_bytes == 0
    assert not engine_threads()


def test_nothing_is_held_unless_it_is_asked_for(calls: Calls) -> None:
    pipe = FAMILIES["sd15"].build()
    made = calls(pipe)
    with Engine({"m": pipe}) as engine:
        for _ in range(2):
            engine.submit(**asked("sd15", pipe)).result(60)
        assert len(made) == 4
        assert not engine.figures.conditioning_misses + engine.figures.conditioning_bytes


def test_others_and_other_words_are_not_answered(calls: Calls) -> None:
    pipe = FAMILIES["sd15"].build()
    made = calls(pipe)
    given: dict[str, Any] = {**asked("sd15", pipe), "prompt": "a red fox", "negative_prompt": "dull"}
    with Engine({"m": pipe}, conditioning="8MB") as engine:

        def new(**more: Any) -> int:
            """Calls of the encoder in one more request."""
            before = len(made)
            user = more.pop("user", "ann")
            engine.submit(user=user, **{**given, **more}).result(60)
            return len(made) - before

        assert new() == 2
        assert new() == 0
        assert new(user="bob") == 2
        assert new(user="bob") == 0
        assert new(user="bob", owner="ann") == 0
        assert new(user="ann", owner="ann's other") == 2
        assert new(prompt="a blue hen") == 1
        assert new(negative_prompt="bright") == 1
        assert new(num_inference_steps=3, guidance_scale=2.0) == 0


def test_loras_on_the_encoder_are_part_of_the_question(calls: Calls, tmp_path: Path) -> None:
    build = FAMILIES["sd15"].build
    file = save_lora(build, tmp_path / "ink.safetensors", seed=1, parts=("unet", "text_encoder"))
    pipe = build()
    load_loras(pipe, {"ink": file})
    sets: list[Any] = [{"ink": 0.8}, {}, {"ink": 0.3}, {"ink": 0.8}, {}]
    with Engine({"m": pipe}) as engine:
        expected = [engine.submit(loras=loras, **asked("sd15", pipe)).result(60) for loras in sets]
    made = calls(pipe)
    with Engine({"m": pipe}, conditioning="8MB") as engine:
        for one, loras in zip(expected, sets, strict=True):
            assert same(one, engine.submit(loras=loras, **asked("sd15", pipe)).result(60))
        assert len(made) == 6
        scaled = asked("sd15", pipe, cross_attention_kwargs={"scale": 0.5})  # set on the encoder within the call
        for _ in range(2):
            assert not same(expected[0], engine.submit(loras=sets[0], **scaled).result(60))
        assert len(made) == 10
        assert same(expected[0], engine.submit(loras=sets[0], **asked("sd15", pipe)).result(60))
        assert len(made) == 10


def test_what_a_request_writes_into_its_embeddings_is_its_own() -> None:
    pipe = FAMILIES["sd15"].build()
    pipe.set_progress_bar_config(disable=True)
    expected = pipe(**asked("sd15", pipe))
    whole = type(pipe).encode_prompt

    class Writes(type(pipe)):  # type: ignore[misc]
        def encode_prompt(self, *args: Any, **kwargs: Any) -> Any:
            found = whole(self, *args, **kwargs)
            for each in found:
                each.fill_(3.0)
            return found

    writes = Writes(**pipe.components, requires_safety_checker=False)
    writes.set_progress_bar_config(disable=True)
    with Engine({"plain": pipe, "writes": writes}, conditioning="8MB") as engine:
        assert same(expected, engine.submit(model="plain", **asked("sd15", pipe)).result(60))
        for model in ("writes", "plain", "writes", "plain"):
            found = engine.submit(model=model, **asked("sd15", pipe)).result(60)
            assert same(expected, found) is (model == "plain")
        assert engine.figures.conditioning_hits


def test_what_its_user_changes_between_requests_is_seen(calls: Calls) -> None:
    """Attributes and weights; also those that a quick look passes over. Uncounted writes have to be told."""
    pipe = FAMILIES["sd15"].build()
    made = calls(pipe)
    encoder = pipe.text_encoder
    norm: Any = next(module for module in encoder.modules() if isinstance(module, torch.nn.LayerNorm))

    def counted_write() -> None:
        with torch.no_grad():
            norm.weight.mul_(1.5)

    def attribute() -> None:
        norm.eps = 0.5

    def exchange() -> None:
        pipe.text_encoder = FAMILIES["sd15"].build().text_encoder

    def uncounted_write() -> None:
        norm.weight.data.mul_(0.5)
        engine.forget()

    with Engine({"m": pipe}, conditioning="8MB") as engine:
        engine.submit(**asked("sd15", pipe)).result(60)
        for change in (counted_write, attribute, uncounted_write):
            change()
            expected, before = pipe(**asked("sd15", pipe)), len(made)
            for _ in range(2):
                assert same(expected, engine.submit(**asked("sd15", pipe)).result(60)), change
            assert len(made) == before + 2, change
        exchange()
        assert same(pipe(**asked("sd15", pipe)), engine.submit(**asked("sd15", pipe)).result(60))


def test_whoever_watches_calls_by_a_mode_of_torch_sees_them(calls: Calls) -> None:
    pipe = FAMILIES["sd15"].build()
    made = calls(pipe)

    class Watched(type(pipe)):  # type: ignore[misc]
        def encode_prompt(self, *args: Any, **kwargs: Any) -> Any:
            with FlopCounterMode(display=False):
                return super().encode_prompt(*args, **kwargs)

    watched = Watched(**pipe.components, requires_safety_checker=False)
    with Engine({"plain": pipe, "watched": watched}, conditioning="8MB") as engine:
        for model in ("plain", "plain", "watched", "watched"):
            engine.submit(model=model, **asked("sd15", pipe)).result(60)
        assert len(made) == 6
        with torch.device("cpu"):
            for _ in range(2):
                engine.submit(model="plain", **asked("sd15", pipe)).result(60)
        assert len(made) == 8


@pytest.mark.parametrize("odd", ["training", "hook", "draws", "keeps"])
def test_an_encoder_that_is_no_function_of_its_arguments_is_called(odd: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = FAMILIES["sd15"].build()
    pipe.set_progress_bar_config(disable=True)
    encoder, made = pipe.text_encoder, []
    whole = type(encoder).forward
    if odd == "training":
        encoder.train()
    elif odd == "hook":
        encoder.register_forward_hook(lambda *_: None)
    else:

        def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
            output = whole(self, *args, **kwargs)
            if odd == "keeps":
                self.latest = output
            else:
                torch.rand(1)
            return output

        monkeypatch.setattr(type(encoder), "forward", forward)
    entry = type(encoder).forward

    def counts(self: Any, *args: Any, **kwargs: Any) -> Any:
        made.append(1)
        return entry(self, *args, **kwargs)

    counts.__wrapped__ = entry  # type: ignore[attr-defined]
    monkeypatch.setattr(type(encoder), "forward", counts)
    with Engine({"m": pipe}, conditioning="8MB") as engine:
        for _ in range(3):
            engine.submit(**asked("sd15", pipe)).result(60)
        assert len(made) == 6
        assert not engine.figures.conditioning_bytes


def test_what_saves_most_stays_within_the_bytes(calls: Calls) -> None:
    pipe = FAMILIES["sd15"].build()
    made = calls(pipe)
    with Engine({"m": pipe}, conditioning="8MB") as engine:
        engine.submit(**asked("sd15", pipe)).result(60)
        two = engine.figures.conditioning_bytes
    made.clear()
    with Engine({"m": pipe}, conditioning=f"{2 * two}B") as engine:
        for at in range(12):
            for prompt in ("always", f"once {at}"):
                engine.submit(**{**asked("sd15", pipe), "prompt": prompt}).result(60)
                assert 0 < engine.figures.conditioning_bytes <= 2 * two
        assert engine.figures.conditioning_misses == len(made) >= 12
        before = len(made)
        engine.submit(**{**asked("sd15", pipe), "prompt": "always"}).result(60)
        assert len(made) == before
    with Engine({"m": pipe}, conditioning="100B") as engine:
        for _ in range(2):
            engine.submit(**asked("sd15", pipe)).result(60)
        assert engine.figures.conditioning_bytes == 0


def test_it_counts_within_the_memory() -> None:
    pipe = FAMILIES["sd15"].build()
    weights = sum(each.nbytes for part in list_components(pipe).values() for each in parameters(part))
    with pytest.raises(BudgetError, match="kept of encoders"):
        Engine({"m": pipe}, memory="50MB", conditioning="50MB")
    with pytest.raises(BudgetError, match="weights"):
        Engine({"m": pipe}, memory=f"{weights + 1000}B", conditioning="2KB")


def parameters(part: Any) -> list[torch.Tensor]:
    return [*part.parameters(), *part.buffers()] if isinstance(part, torch.nn.Module) else []


def test_in_company_it_is_asked_for_once_more_alone(calls: Calls) -> None:
    """What was computed in company is not held: it is not to the bit what a lone call gives."""
    pipe = FAMILIES["sd15"].build()
    expected = [pipe(**{**asked("sd15", pipe, seed), "prompt": f"a fox {seed}"}) for seed in range(3)]
    made = calls(pipe)
    with Engine({"m": pipe}, conditioning="8MB") as engine:

        def ask_all() -> list[Any]:
            with engine._loop.change:  # so that all are there before the first begins
                jobs = [engine.submit(**{**asked("sd15", pipe, seed), "prompt": f"a fox {seed}"}) for seed in range(3)]
            return [job.result(60) for job in jobs]

        for turn in range(3):
            for one, found in zip(expected, ask_all(), strict=True):
                assert difference(one, found) < 1e-5
            if turn == 1:
                made.clear()
        assert not made
        for seed, one in enumerate(expected):
            given = {**asked("sd15", pipe, seed), "prompt": f"a fox {seed}"}
            assert same(one, engine.submit(**given).result(60))
        assert not made
