"""Calls that guidance adds, made from a step's first: against the same by hand, and against diffusers' FasterCache."""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from evocache import Schedule, apply
from evocache.errors import EvocacheWarning, PolicyError
from evocache.policies import parse
from evocache.schedule import dumps, forecast, guidance_id, loads, uniform
from tests.runtime.byhand import replaced
from tests.runtime.steered import Pipe
from tests.runtime.support import counted, random_schedule
from tests.tiny import FAMILIES, FAMILY_OF

STEPS = 6
COMPUTED = (0, 1, 4)


def guided(one, computed=COMPUTED, steps=STEPS, between=None):
    """A schedule that computes guidance at some steps."""
    root = one.model.denoisers[0].name
    tree = one.model.tree.with_guidance(root)
    return uniform(tree, steps, [guidance_id(root)], computed, *([between] if between else []))


def by_hand(one, rule, halves):
    """The output where `rule(step, first, compute)` makes each call after the first, or the former half of a batch."""
    denoiser = one.pipe.transformer
    forward, state = denoiser.forward, {"calls": 0}

    def half(value, i):
        n = state["batch"]
        return value.chunk(2)[i] if isinstance(value, torch.Tensor) and value.ndim and len(value) == n else value

    def doubled(*args, **kwargs):
        state["batch"] = len(kwargs.get("hidden_states", args[0] if args else None))
        step, state["calls"] = state["calls"], state["calls"] + 1
        parts = [([half(a, i) for a in args], {k: half(v, i) for k, v in kwargs.items()}) for i in (0, 1)]
        first = forward(*parts[1][0], **parts[1][1])[0]
        return (torch.cat([rule(step, first, lambda: forward(*parts[0][0], **parts[0][1])[0]), first]),)

    def twice(*args, **kwargs):
        step, branch = divmod(state["calls"], 2)
        state["calls"] += 1
        if not branch:
            state["first"] = forward(*args, **kwargs)[0]
            return (state["first"].clone(),)
        return (rule(step, state["first"], lambda: forward(*args, **kwargs)[0]),)

    with replaced(denoiser, doubled if halves else twice):
        return one.call(steps=STEPS)


class Difference:
    """The other output differs from the first as it did when it was last computed; or goes on as it changed."""

    def __init__(self, gain=0.0):
        self.gain, self.known = gain, {}

    def __call__(self, step, first, compute):
        if step in COMPUTED:
            output = compute()
            self.known[step] = output - first
            return output
        last, *before = sorted(self.known, reverse=True)
        made = self.known[last]
        if self.gain and before:
            slope = (made - self.known[before[0]]) / (last - before[0])
            made = made + self.gain * (step - last) * slope
        return first + made


FORMS = [("wan", False), ("qwenimage", False), ("cogvideox", True), ("latte", True), ("pixart", True)]
"""Guidance by two calls a step, and by a doubled batch."""


@pytest.mark.parametrize(("name", "halves"), FORMS)
def test_the_other_output_is_the_first_and_their_last_difference(family, name, halves):
    one = family(name)
    expected = by_hand(one, Difference(), halves)
    schedule = guided(one)
    with apply(one.pipe, schedule) as handle, counted(one) as ran:
        output = one.call(steps=STEPS)
    # after the first computed step, both halves of a batch are computed at once, which changes rounding
    assert np.abs(output - expected).max() <= (1e-5 if halves else 0.0)
    stats, block = handle.stats, one.model.tree.of_kind("block")[0].id
    assert stats.executed[block] == STEPS + len(COMPUTED)
    assert ran[block] == STEPS + (1 if halves else len(COMPUTED))
    assert stats.executed[guidance_id("transformer")] == len(COMPUTED)
    assert stats.calls == {"transformer": 2 * STEPS}
    assert stats.executed_fraction == schedule.executed_fraction() == pytest.approx(0.75)
    assert stats.peak_cached_bytes == stats.predicted_peak_bytes > 0 == stats.cached_bytes
    assert handle.recorded == schedule
    with apply(one.pipe, loads(dumps(schedule))):
        assert np.array_equal(one.call(steps=STEPS), output)


@pytest.mark.parametrize("name", ["cogvideox", "pixart", "latte"])
def test_halves_that_do_the_same_are_computed_at_once(family, name):
    """What is stored and made from it is as if they were computed one after the other, but for rounding."""
    one = family(name)
    root = "transformer"
    tree = one.model.tree.with_guidance(root)
    leaves = [c.id for c in tree.of_kind("attention")]
    orders = uniform(tree, STEPS, leaves, (0, 1, 2, 4)).orders.copy()
    orders[:, tree.index[guidance_id(root)]] = uniform(tree, STEPS, [guidance_id(root)], COMPUTED).orders[
        :, tree.index[guidance_id(root)]
    ]
    schedule = Schedule.repaired(tree, orders)
    made = {}
    for alike in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            if not alike:
                patch.setattr("evocache.runtime.calls.denoiser_call.alike", lambda *_: False)
            with apply(one.pipe, schedule) as handle, counted(one) as ran:
                made[alike] = one.call(steps=STEPS), handle.stats, ran[one.model.tree.of_kind("block")[0].id]
    (output, stats, calls), (expected, other, more) = made[True], made[False]
    assert np.abs(output - expected).max() < 1e-5
    assert np.abs(output - one.call(steps=STEPS)).max() > 1e-3
    assert calls < more
    assert stats.executed == other.executed
    assert stats.peak_cached_bytes == stats.predicted_peak_bytes == other.peak_cached_bytes
    assert stats.cached_bytes == 0


@pytest.mark.parametrize(("name", "halves"), FORMS[:1] + FORMS[2:3])
def test_the_difference_may_be_forecast(family, name, halves):
    one = family(name)
    expected = by_hand(one, Difference(0.5), halves)
    with apply(one.pipe, guided(one, between=forecast(1, 0.5))):
        output = one.call(steps=STEPS)
    assert np.abs(output - expected).max() < 1e-5
    assert not np.array_equal(output, by_hand(one, Difference(), halves))


@contextmanager
def samples(one):
    """How many samples the layers of the first block have seen."""
    seen, block = Counter(), one.pipe.transformer.transformer_blocks[0]
    layers = {"attention": block.attn1.to_q, "feed_forward": block.ff}
    hooks = [
        layer.register_forward_pre_hook(lambda _, args, name=name: seen.update({name: len(args[0])}))
        for name, layer in layers.items()
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["cogvideox", "latte"])
def test_it_is_faster_cache_of_diffusers(family, name):
    """With their weights at 1, where splitting by frequency and adding up again changes rounding alone."""
    hooks = pytest.importorskip("diffusers.hooks")
    one, steps = family(name), 10
    seen = []
    one.call(steps=steps, callback_on_step_end=lambda pipe, i, t, kwargs: seen.append(int(t)) or {})
    within = (-1, seen[4] + 1)
    config = hooks.FasterCacheConfig(
        spatial_attention_block_skip_range=2,
        spatial_attention_timestep_skip_range=within,
        temporal_attention_block_skip_range=2,
        temporal_attention_timestep_skip_range=within,
        unconditional_batch_skip_range=4,
        unconditional_batch_timestep_skip_range=within,
        spatial_attention_block_identifiers=(r"transformer_blocks\.\d+\.attn1$",),
        temporal_attention_block_identifiers=(r"temporal_transformer_blocks\.\d+\.attn1$",),
        attention_weight_callback=lambda _: 0.0,
        low_frequency_weight_callback=lambda _: 1.0,
        high_frequency_weight_callback=lambda _: 1.0,
        tensor_format="BFCHW" if name == "cogvideox" else "BCFHW",
        current_timestep_callback=lambda: one.pipe.current_timestep,
    )
    reference = one.call(steps=steps)
    one.pipe.transformer.enable_cache(config)
    try:
        with samples(one) as theirs:
            expected = one.call(steps=steps)
    finally:
        one.pipe.transformer.disable_cache()
    with apply(one.pipe, "fastercache:2,0,0.4,4") as handle, samples(one) as ours:
        output = one.call(steps=steps)
    attention = one.model.tree.of_kind("attention")[0].id
    assert handle.stats.executed[guidance_id("transformer")] == 4 + 2  # steps 0 to 3, 4 and 8
    assert handle.stats.executed[attention] == (4 + 3) + (4 + 2)
    # that half of a batch gives alone what it gives in the batch is tried once: half of a call more
    once = {name: count - theirs[name] for name, count in ours.items()}
    assert len(set(once.values())) == 1
    assert 0 < once["attention"] <= ours["attention"] // 13
    assert np.abs(output - expected).max() < 0.02 * np.abs(output - reference).max()


@pytest.mark.parametrize("name", ["wan", "cogvideox"])
def test_calls_store_and_run_what_their_branches_say(family, name):
    """Guidance among all other actions: what runs, and what is held to the byte."""
    one = family(name)
    for seed in range(3):
        drawn = random_schedule(one.model.tree.with_guidance("transformer"), STEPS, seed, computed=0.4)
        orders = drawn.orders.copy()
        orders[2:5, drawn.tree.index["transformer/guidance"]] = (0, -1, 1)
        schedule = Schedule.repaired(drawn.tree, orders, drawn.gains)
        with apply(one.pipe, schedule) as handle, counted(one) as ran:
            output = one.call(steps=STEPS)
        branches = [schedule.of_branch(i).counts() for i in range(2)]
        expected = {id: branches[0].get(id, 0) + count for id, count in branches[1].items()}
        assert handle.stats.executed == expected
        modules = one.model.denoisers[0].modules
        tried = int(name == "cogvideox")  # the first step is computed as a whole, too
        assert {id: ran[id] for id in modules if id != "transformer"} == {
            id: expected[id] + tried for id in modules if id != "transformer"
        }
        assert handle.stats.peak_cached_bytes == handle.stats.predicted_peak_bytes
        assert np.isfinite(output).all()


@pytest.mark.parametrize("name", ["wan", "cogvideox"])
def test_computing_all_of_guidance_changes_nothing(family, name):
    one = family(name)
    with apply(one.pipe, Schedule.full(one.model.tree.with_guidance("transformer"), 4)):
        assert np.array_equal(one.call(), one.reference)


@pytest.mark.parametrize("name", ["wan", "cogvideox"])
@pytest.mark.filterwarnings("ignore:nothing was reused")
def test_without_guidance_nothing_is_made(family, name):
    one = family(name)
    expected = one.call(guidance=False)
    with apply(one.pipe, guided(one, (0,), 4)):
        assert np.array_equal(one.call(guidance=False), expected)


ALIKE = {"flux", "flux_img2img", "hunyuan_video"}
"""Guidance is told to the denoiser: there is one call a step, of one sample."""

UNLIKE = {"svd"}
"""One half of the batch is given the picture that is animated, the other none."""


@pytest.mark.table("name", family=FAMILY_OF.get)
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_guided(family, name):
    one = family(name)
    tree = one.model.tree
    for denoiser in one.model.denoisers:
        tree = tree.with_guidance(denoiser.name)
    ids = [guidance_id(denoiser.name) for denoiser in one.model.denoisers]
    schedule = uniform(tree, 4, ids, (0,))
    if name in ALIKE | UNLIKE:
        with apply(one.pipe, schedule), pytest.warns(EvocacheWarning, match="nothing was reused"):
            assert np.array_equal(one.call(), one.reference)
        return
    with apply(one.pipe, schedule) as handle:
        output = one.call()
    stats = handle.stats
    assert {id: stats.executed[id] for id in ids} == dict.fromkeys(ids, 1)
    assert stats.calls == {name: 2 * seen.rows for name, seen in one.passes.items()}
    assert stats.peak_cached_bytes == stats.predicted_peak_bytes > 0
    assert np.isfinite(output).all()
    assert not np.array_equal(output, one.reference)


class Batched(Pipe):
    """A doubled batch, of which the denoiser takes no half."""

    @torch.no_grad()
    def __call__(self, steps, given=None):
        self.scheduler.set_timesteps(steps)
        x = torch.randn(1, 5, 8, generator=torch.Generator().manual_seed(1))
        for t in self.scheduler.timesteps:
            second, first = self.transformer(torch.cat([x, x]), timestep=t).chunk(2)
            x = self.scheduler.step(first + 2 * (first - second), t, x).prev_sample
        return x


@pytest.mark.parametrize("how", ["no half", "half of another shape", "coupled", "by place"])
def test_a_batch_whose_half_gives_something_else_is_computed_as_a_whole(how):
    """Attention that couples samples, or treats them by their place in the batch; arguments that have no halves."""
    pipe = Batched("plain")
    forward = pipe.transformer.forward

    def changed(x, timestep):
        if how == "no half":
            return forward(x.reshape(2, 5, 8), timestep)
        if how == "half of another shape":
            return forward(torch.cat([x, x]), timestep)[:2]
        if how == "coupled":
            return forward(x, timestep) + 0.1 * x.sum(0, keepdim=True)
        first, second = x.chunk(2)  # raises if there is but one
        return torch.cat([forward(first, timestep), forward(second, timestep) * 1.1])

    pipe.transformer.forward = changed
    expected = pipe(STEPS)
    with apply(pipe, schedule_of(pipe)) as handle, pytest.warns(UserWarning, match="of guidance|nothing was reused"):
        assert torch.equal(pipe(STEPS), expected)
    assert handle.stats.cached_bytes == 0


@pytest.mark.parametrize("says", [None, True, False])
def test_samples_of_one_seed_are_no_pair(says):
    """Two prompts, or three parts of two samples, begin with equal latents and go apart."""

    class Seeds(Batched):
        do_classifier_free_guidance = says

        @torch.no_grad()
        def __call__(self, steps, parts=1):
            self.scheduler.set_timesteps(steps)
            x = torch.randn(1, 5, 8, generator=torch.Generator().manual_seed(1)).repeat(2, 1, 1)
            shift = torch.tensor([0.0, 0.3]).view(2, 1, 1)
            for t in self.scheduler.timesteps:
                given = torch.cat([x] * parts)
                out = self.transformer(given, timestep=t).chunk(parts)
                x = self.scheduler.step(sum(out) / parts + shift, t, x).prev_sample
            return x

    for parts in (1, 3):
        pipe = Seeds("plain")
        expected = pipe(STEPS, parts)
        for computed in ((0, 3), (0, 1, 4)):
            with apply(pipe, schedule_of(pipe, computed)), pytest.warns(UserWarning, match="nothing was reused"):
                assert float((pipe(STEPS, parts) - expected).abs().max()) < 1e-6


@pytest.mark.parametrize("says", [None, True])
@pytest.mark.parametrize("stepping", ["at once", "one by one"])
@pytest.mark.parametrize(("parts", "samples", "pair"), [(3, 2, False), (5, 2, False), (4, 1, False), (2, 3, True)])
def test_parts_of_samples_that_stay_equal_are_a_pair_only_if_there_are_two(says, stepping, parts, samples, pair):
    """One seed, one prompt, several pictures: halves of three parts are equal at all steps, and each made of two."""

    class Parts(Batched):
        do_classifier_free_guidance = says

        @torch.no_grad()
        def __call__(self, steps):
            self.scheduler.set_timesteps(steps)
            x = torch.randn(1, 5, 8, generator=torch.Generator().manual_seed(1)).repeat(samples, 1, 1)
            told = torch.arange(parts * samples).view(-1, 1, 1) // samples
            for t in self.scheduler.timesteps:
                out = self.transformer(torch.cat([x] * parts), timestep=t, told=told).chunk(parts)
                given = sum(out) / parts
                if stepping == "at once":
                    x = self.scheduler.step(given, t, x).prev_sample
                    continue
                index, made = self.scheduler.step_index, []
                for i in range(samples):
                    self.scheduler._step_index = index
                    made.append(self.scheduler.step(given[i : i + 1], t, x[i : i + 1]).prev_sample)
                x = torch.cat(made)
            return x

    pipe = Parts("plain")
    forward = pipe.transformer.forward
    pipe.transformer.forward = lambda x, timestep, told: forward(x, timestep) * (1 + told * torch.sin(9 * timestep))
    expected = pipe(STEPS)
    said = nullcontext() if pair else pytest.warns(UserWarning, match="nothing was reused")
    with apply(pipe, schedule_of(pipe)) as handle, said:
        output = pipe(STEPS)
    assert not pair or handle.stats.executed["transformer/guidance"] == 2
    assert (float((output - expected).abs().max()) < 1e-6) != pair


class Twice(Pipe):
    """Two calls a step: of the same latents, of a copy of them, of others, or after the output was written into."""

    @torch.no_grad()
    def __call__(self, steps, how="same"):
        self.scheduler.set_timesteps(steps)
        x = torch.randn(1, 5, 8, generator=torch.Generator().manual_seed(1))
        for t in self.scheduler.timesteps:
            first = self.transformer(x, timestep=t)
            kept = first.clone()
            if how == "written":
                first.mul_(2)
            second = self.transformer({"copy": x.clone(), "other": x + 1}.get(how, x), timestep=t)
            x = self.scheduler.step(kept + 2 * (kept - second), t, x).prev_sample
        return x


def schedule_of(pipe, computed=(0, 3)):
    from evocache import discover

    tree = discover(pipe).tree.with_guidance("transformer")
    return uniform(tree, STEPS, ["transformer/guidance"], computed)


@pytest.mark.parametrize(("how", "ran"), [("same", 2), ("copy", 2), ("other", STEPS), ("written", 4)])
@pytest.mark.filterwarnings("ignore:nothing was reused")
def test_only_calls_with_the_same_latents_are_made(how, ran):
    """A call that is given others is no guidance. Once the first output was written into, copies are kept."""
    pipe = Twice("host adds")  # another number at each call
    with apply(pipe, schedule_of(pipe)) as handle:
        output = pipe(STEPS, how)
    assert handle.stats.executed["transformer/guidance"] == ran
    assert torch.equal(output, Twice("host adds")(STEPS, how)) == (ran == STEPS)


def test_nothing_is_alive_between_generations():
    pipe = Twice("plain")
    seen = []
    forward = pipe.transformer.forward

    def watching(*args, **kwargs):
        output = forward(*args, **kwargs)
        seen.append(weakref.ref(output))
        return output

    pipe.transformer.forward = watching
    with apply(pipe, schedule_of(pipe)) as handle:
        pipe(STEPS)
        assert handle.stats.cached_bytes == 0
        gc.collect()
        assert len(seen) == STEPS + 2
        assert not [ref for ref in seen if ref() is not None]


def test_a_doubled_batch_is_told_by_its_halves(family):
    """Two pictures without guidance are no doubled batch."""
    one = family("cogvideox")
    settings = {"guidance": False, "prompt": ["a red fox", "a bird"], "steps": 3}
    expected = one.call(**settings)
    with apply(one.pipe, guided(one, (0,), 3)), pytest.warns(EvocacheWarning, match="nothing was reused"):
        assert np.array_equal(one.call(**settings), expected)


def test_a_model_without_guidance_calls_is_told_about(family):
    """Attention is reused, but there is nothing for the rest to act on."""
    one = family("flux")
    with (
        apply(one.pipe, "fastercache:2,0.5,0,2") as handle,
        pytest.warns(EvocacheWarning, match="of guidance, since no"),
    ):
        one.call()
    assert handle.stats.executed_fraction < 1


class Comparisons(TorchDispatchMode):
    """Counts how often two tensors are compared by value."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten.equal.default
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("name", "count"), [("wan", 0), ("cogvideox", 1 + 2)])
def test_values_are_compared_only_where_a_difference_is_stored(family, name, count):
    """Two calls of a step are given one tensor. A doubled batch is looked at once, and at steps 1 and 4."""
    one = family(name)
    with apply(one.pipe, guided(one)), Comparisons() as seen:
        one.call(steps=STEPS)
    assert seen.count == count


def test_memory_plans_know_nothing_of_it(family):
    one = family("cogvideox")
    for what in (guided(one), parse("fastercache:2,0.5,0.3,5")):
        with pytest.raises(PolicyError, match="computes all calls of a step alike"):
            apply(one.pipe, what, memory="8GB")
    with apply(one.pipe, guided(one)) as handle, pytest.raises(PolicyError, match="with a memory budget"):
        handle.plan(prompt="a red fox")


def test_a_u_net_is_guided_too(family):
    """DeepCache, and the unconditional half of the batch every other step of those that it computes."""
    one = family("sd15")
    tree = one.model.tree.with_guidance("unet")
    orders = np.full((STEPS, len(tree)), -1)
    orders[[1, 3, 5], tree.index["unet/deep[0]"]] = 0
    orders[[2, 3, 4], tree.index["unet/guidance"]] = 0
    with apply(one.pipe, Schedule(tree, orders)) as handle, counted(one) as ran:
        output = one.call(steps=STEPS)
    assert np.isfinite(output).all()
    assert ran["unet/mid_block.resnets.0"] == 3 + 1 + 1  # the first step is computed as a whole, too
    assert ran["unet/up_blocks.3.resnets.1"] == 6 + 3 + 1
    assert handle.stats.peak_cached_bytes == handle.stats.predicted_peak_bytes > 0
