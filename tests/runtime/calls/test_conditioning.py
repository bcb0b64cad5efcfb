"""A call is served from what its own conditioning and shapes computed, whatever else a step's calls are."""

from __future__ import annotations

import random

import pytest
import torch

from evocache import apply
from evocache.runtime.calls.branch_choice import Branches
from evocache.runtime.calls.conditioning import Memory, conditioning
from evocache.runtime.calls.conditioning_digests import Digests, Seen
from evocache.runtime.clock import Tick
from evocache.runtime.ops.latents import signature, tensors_of
from tests.runtime.prompted import Pipe, Transformer

SPECS = ("fora:4", "taylorseer:4,1", "steps:0,4", "fbcache:0.9", "teacache:0.9")

ORDERS = {
    "always both": ["uc"] * 8,
    "guided from a step on": ["c", "c", "c", "uc", "uc", "uc", "uc", "uc"],
    "guided from the second step on": ["c", "uc", "uc", "uc", "uc", "uc"],
    "guided from a step on, the prompt first": ["c", "c", "cu", "cu", "cu", "cu"],
    "guided up to a step": ["uc", "uc", "uc", "c", "c", "c", "c", "c"],
    "guided in between": ["c", "c", "uc", "uc", "uc", "c", "c", "c"],
    "guided at every other step": ["uc", "c", "uc", "c", "uc", "c"],
    "the order changes": ["uc", "uc", "cu", "cu", "uc", "uc"],
    "another prompt from a step on": ["a", "a", "a", "b", "b", "b"],
    "another prompt from the second step on": ["a", "b", "b", "b", "b", "b"],
    "one of two prompts is another from a step on": ["ua", "ua", "ua", "ub", "ub", "ub"],
    "a third prompt comes and goes": ["uc", "uc", "ucn", "ucn", "uc", "uc"],
    "a third prompt comes first": ["uc", "uc", "nuc", "nuc", "nc", "nc"],
}


def error(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max())


@pytest.mark.parametrize("order", ORDERS)
def test_features_are_those_of_the_call_s_own_prompt(order):
    pipe, steps = Pipe(), ORDERS[order]
    expected = pipe(steps)
    for spec in SPECS:
        with apply(pipe, spec) as handle:
            assert error(pipe(steps), expected) < 1e-5, spec
            stats = handle.stats
            if "cache" not in spec or order != "guided at every other step":  # a gate's first call is another each time
                assert stats.executed["transformer/transformer_blocks.1.ff"] < stats.calls["transformer"], spec
            assert stats.cached_bytes == 0
            if "cache" not in spec:
                assert stats.peak_cached_bytes == stats.predicted_peak_bytes


def test_what_is_computed_once_more_is_what_must_be():
    """A branch that begins computes once; one that goes on, at its schedule's steps alone."""
    pipe, leaf = Pipe(), "transformer/transformer_blocks.1.ff"
    ran = {"always both": 4, "guided up to a step": 3, "guided in between": 2 + 1 + 1, "the order changes": 4}
    for order, count in ran.items():
        with apply(pipe, "fora:4") as handle:
            pipe(ORDERS[order])
        assert handle.stats.executed[leaf] == count, order


@pytest.mark.parametrize("spec", SPECS[:3])
def test_prompts_that_are_made_anew_for_each_call_are_told_by_their_place(spec):
    pipe = Pipe("fresh")
    expected = pipe(["uc"] * 8)
    with apply(pipe, spec) as handle:
        assert error(pipe(["uc"] * 8), expected) < 1e-5
    assert handle.stats.executed["transformer/transformer_blocks.1.ff"] < 16


@pytest.mark.filterwarnings("ignore:nothing was reused")
@pytest.mark.parametrize("order", [order for order in ORDERS if order.startswith("guided") and "in" not in order])
def test_what_the_pipeline_says_of_guidance_tells_where_places_do_not(order):
    pipe, steps = Pipe("fresh"), ORDERS[order]
    pipe.do_classifier_free_guidance = False
    expected = pipe(steps)
    with apply(pipe, "fora:4"):
        assert error(pipe(steps), expected) < 1e-5


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("beside", ["nothing", "what is held", "what goes with the steps"])
def test_prompts_that_are_made_anew_are_told_by_their_values(order, beside):
    """Where the pipeline says nothing of guidance; beside them a call may be given what tells nothing."""
    pipe, steps, ids = Pipe("fresh"), ORDERS[order], torch.zeros(5, 2)
    pipe.more = {"what is held": lambda t: ids, "what goes with the steps": lambda t: t * torch.ones(5, 2)}.get(
        beside, lambda t: None
    )
    expected = pipe(steps)
    for spec in ("fora:4", "taylorseer:4,1", "steps:0,4"):
        with apply(pipe, spec) as handle:
            assert error(pipe(steps), expected) < 1e-5, spec
            assert handle.stats.executed["transformer/transformer_blocks.1.ff"] < handle.stats.calls["transformer"]
            assert handle.stats.cached_bytes == 0


def test_digests_tell_values():
    x = torch.randn(1, 40, 8, generator=torch.Generator().manual_seed(0))
    given = {"a": x, "b": x.flip(1), "c": x.roll(1, 1), "d": x.clone(), "e": x > 0, "f": torch.complex(x, x), "g": -x}
    found = {place: Digests(given)[place] for place in given}
    assert found["a"] == found["d"]
    assert len(set(found.values())) == len(given) - 1
    assert Digests(given)["other"] is None
    seen = Seen()
    first = Digests({"text": x, "more": x})
    assert seen.alike(Digests({"text": x, "more": x + 1}), [first], ["more", "text"], 1) == [False]
    assert seen.alike(Digests({"text": x, "more": x + 2}), [first], ["more", "text"], 2) == [True]
    assert seen.alike(Digests({"text": x + 1, "more": x}), [first], ["more", "text"], 3) == [False]
    assert seen.alike(first, [Digests({})], ["text"], 4) is None


def test_prompts_of_other_lengths_are_other_calls():
    pipe = Pipe()
    steps = ["uc", "uc", "uc", "c", "c", "c"]
    pipe.transformer.forward = lambda x, timestep, encoder_hidden_states: Transformer.forward(
        pipe.transformer, x, timestep, encoder_hidden_states.mean(1, keepdim=True).expand(1, 5, 8)
    )
    tokens = {"u": 3, "c": 7}.__getitem__
    expected = pipe(steps, tokens)
    with apply(pipe, "fora:3") as handle:
        assert error(pipe(steps, tokens), expected) < 1e-5
    assert handle.stats.executed["transformer/transformer_blocks.0.ff"] == 1 + 2


class Samples(Pipe):
    """Hands its denoiser a list of samples, of which the number or the sizes change at the third step."""

    @torch.no_grad()
    def __call__(self, sizes, later):
        self.scheduler.set_timesteps(6)
        draw = torch.Generator().manual_seed(1)
        texts = [torch.randn(1, n, 8, generator=draw) for n in range(1, 9)]
        x = [torch.randn(1, n, 8, generator=draw) for n in range(1, 9)]
        self.seen = []
        for i, t in enumerate(self.scheduler.timesteps):
            now = sizes if i < 3 else later
            given = {"timestep": t, "encoder_hidden_states": [texts[n] for n in now]}
            out = self.transformer([x[n] for n in now], **given)
            self.seen.append(([x[n] for n in now], given, out))
            for n, sample in zip(now, out, strict=True):
                x[n] = x[n] + 0.1 * sample
            self.scheduler.step(x[0], t, x[0])
        return torch.cat(x, dim=1)


@pytest.mark.parametrize("spec", [*SPECS, "freqca:2"])
@pytest.mark.parametrize(("sizes", "later"), [((2, 4), (2,)), ((2, 4), (2, 3)), ((2, 4), (4, 2)), ((1,), (1, 5, 3))])
def test_all_samples_of_a_list_count(spec, sizes, later):
    """Where their number or sizes change, all is computed once; until then, and from then on, what is reused is."""
    pipe = Samples()
    with apply(pipe, spec) as handle:
        pipe(sizes, later)
    assert any(count < 6 for count in handle.stats.executed.values())
    x, given, out = pipe.seen[3]
    for a, b in zip(out, pipe.transformer(x, **given), strict=True):
        assert torch.equal(a, b)


def test_signatures_cover_all_that_a_call_is_given():
    x, text = torch.zeros(2, 3), torch.zeros(1, 4, 8)
    base = signature(*tensors_of(([x, x],), {"timestep": torch.zeros(2), "text": text, "more": {"ids": [x]}}))
    assert base is not None
    assert base.shape == (2, 3)
    same = tensors_of(([x, x],), {"timestep": torch.zeros(()), "text": text + 1, "more": {"ids": [x]}})
    assert base == signature(*same)
    assert base.is_of(*same)
    for args, kwargs in [
        (([x],), {"text": text, "more": {"ids": [x]}}),
        (([x, x.double()],), {"text": text, "more": {"ids": [x]}}),
        (([x, x],), {"text": text[:, :3], "more": {"ids": [x]}}),
        (([x, x],), {"text": text, "more": {"ids": [x, x]}}),
        (([x, x],), {"text": text}),
    ]:
        assert signature(*tensors_of(args, kwargs)) != base
        assert not base.is_of(*tensors_of(args, kwargs))
    assert signature(*tensors_of((3, torch.zeros(2)), {})) is None


def test_what_tells_a_call_s_conditioning():
    x, t = torch.zeros(1, 3), torch.zeros(1, 1)
    prompts = torch.zeros(2, 4, 8)
    told = conditioning(tensors_of((x, t), {"text": prompts[:1], "more": [prompts]})[1], t)
    assert set(told) == {"text", "more.0"}
    memory = Memory(told)
    assert not memory.changed(conditioning(tensors_of((x, t), {"text": prompts[:1], "more": [prompts]})[1], t))
    assert memory.changed(conditioning(tensors_of((x, t), {"text": prompts[1:], "more": [prompts]})[1], t)) == {"text"}
    memory.note(told)
    del prompts
    assert not memory.alive
    assert memory.changed(conditioning(tensors_of((x, t), {"text": torch.zeros(1, 4, 8)})[1], t)) == {"text"}
    # what was made for one call, and is gone, tells nothing
    gone = [conditioning(tensors_of((x,), {"text": torch.zeros(1, 4, 8)})[1]) for _ in range(2)]
    assert not Memory(gone[0]).changed(gone[1])


def test_a_call_that_is_given_what_the_last_was_is_told_without_the_rules():
    """The branch is the one that the rules choose, in whatever order calls of several prompts come."""
    draw = random.Random(0)
    quick = 0
    for _ in range(60):
        prompts = [torch.zeros(1, 4, 8) for _ in range(3)]
        shapes = [torch.zeros(1, 3, 2), torch.zeros(1, 3, 4)]
        calls = []
        for step in range(12):
            for call_index in range(draw.choice((1, 2, 2, 2, 3))):
                prompt = prompts[call_index if draw.random() < 0.8 else draw.randrange(3)]
                prompt = prompt + draw.randrange(2) if draw.random() < 0.1 else prompt
                latents = shapes[draw.random() < 0.05].clone()
                role, guides = call_index > 0 and draw.random() < 0.5, draw.choice((None, None, True))
                calls.append((Tick(step, call_index), (latents, prompt), role, guides))
        found = []
        for by_rules in (False, True):
            branches, names, told = Branches(), [], []
            branches._again = (lambda *_: None) if by_rules else _counting(branches._again, told)
            for tick, args, role, guides in calls:
                branch = branches.of("unet", tick, (args, {}), _Branch, role=role, guides=guides)
                names.append((branch.name, branch.dropped))
            found.append(names)
            quick += sum(told)
        assert found[0] == found[1]
    assert quick > 200


def _counting(function, told):
    def counted(*args):
        found = function(*args)
        told.append(found is not None)
        return found

    return counted


class _Branch:
    predicted = frozenset()
    dropped = None

    def __init__(self, name, signature):
        self.name, self.signature = name, signature

    def drop(self, step):
        self.dropped = step
