"""Gates do what their rules, written by hand, say; their decisions replay to the bit."""

from __future__ import annotations

import gc
import weakref
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from evocache import Schedule, apply
from evocache.errors import PipelineError, PolicyError
from evocache.policies import POLICIES, Gate
from tests.runtime.byhand import replaced
from tests.runtime.steered import Pipe
from tests.runtime.support import changes, counted, snapshot
from tests.tiny import FAMILIES, FAMILY_OF, KIND_OF

STEPS = 8
GATES = ("fbcache:0.3", "dbcache:0.4,1,1,2,2", "dbcache:0.5,1,0,2,0,1", "teacache:0.3", "easycache:4")


def distance(a, b):
    return float((a - b).abs().mean() / b.abs().mean())


@contextmanager
def gated(denoiser, blocks, first, rule):
    """Blocks from `first` on are computed where `rule(entered, layer, now)` says so, else their last residual added.

    It is asked with the stream at block 0, what the first attention layer was given, and the stream at block `first`.
    Only for models with one stream that is the first argument.
    """
    forwards, state = [b.forward for b in blocks], {"computed": []}
    layer = blocks[0].attn1.forward

    def attention(x, *args, **kwargs):
        state["layer"] = x
        return layer(x, *args, **kwargs)

    def make(i):
        def forward(x, *args, **kwargs):
            if i == 0:
                state["entered"] = x
            if i == first:
                state["computes"] = rule(state["entered"], state.get("layer"), x)
                state["computed"].append(state["computes"])
                state["from"] = x
            if i < first or state["computes"]:
                x = forwards[i](x, *args, **kwargs)
            if i == len(blocks) - 1:
                if state["computes"]:
                    state["residual"] = x - state["from"]
                    rule.left(x)
                else:
                    x = x + state["residual"]
            return x

        return forward

    with ExitStack() as stack:
        stack.enter_context(replaced(blocks[0].attn1, attention))
        for i, block in enumerate(blocks):
            stack.enter_context(replaced(block, make(i)))
        yield state["computed"]


class FirstBlock:
    """What block 0 adds, against the last computed step."""

    def __init__(self, threshold):
        self.threshold, self.last = threshold, None

    def __call__(self, entered, layer, now):
        added = now - entered
        computes = self.last is None or distance(added, self.last) >= self.threshold
        if computes:
            self.last = added
        return computes

    def left(self, output):
        pass


class Tea:
    """The modulated input, against the step before, summed up; the first and the last step are computed."""

    def __init__(self, threshold):
        self.threshold, self.before, self.sum, self.step = threshold, None, 0.0, -1

    def __call__(self, entered, layer, now):
        self.step += 1
        before, self.before = self.before, layer
        if before is not None and self.step < STEPS - 1:
            self.sum += distance(layer, before)
            if self.sum < self.threshold:
                return False
        self.sum = 0.0
        return True

    def left(self, output):
        pass


class Easy:
    """|x - x before| k / |y|, summed up, where k = |y - y'| / |x - x'| between the last two computed steps."""

    def __init__(self, threshold):
        self.threshold, self.sum, self.step = threshold, 0.0, -1
        self.inputs, self.computed = [], []

    def __call__(self, entered, layer, now):
        self.step += 1
        self.inputs.append(now)
        if len(self.computed) >= 2 and self.step < STEPS - 1:
            (x1, y1), (x2, y2) = self.computed[-2:]
            k = (y2 - y1).abs().mean() / (x2 - x1).abs().mean()
            self.sum += float(k * (now - self.inputs[-2]).abs().mean() / y2.abs().mean())
            if self.sum < self.threshold:
                return False
        self.sum = 0.0
        return True

    def left(self, output):
        self.computed.append((self.inputs[-1], output))


@pytest.mark.parametrize("name", ["pixart", "sana"])
@pytest.mark.parametrize(
    ("spec", "first", "rule"), [("fbcache", 1, FirstBlock), ("teacache", 1, Tea), ("easycache", 0, Easy)]
)
def test_a_gate_does_what_its_rule_says(family, name, spec, first, rule):
    one = family(name)
    skipped = 0
    for threshold in (0.1, 0.4, 2.0, 20.0):
        denoiser = one.model.denoisers[0]
        with gated(denoiser.module, list(denoiser.blocks), first, rule(threshold)) as computed:
            expected = one.call(steps=STEPS)
        with apply(one.pipe, f"{spec}:{threshold}") as handle:
            output = one.call(steps=STEPS)
        schedule = handle.recorded
        span = next(c.id for c in schedule.components if c.id.endswith(f"blocks[{first}:4]"))
        assert [schedule.action(step, span).name == "compute" for step in range(STEPS)] == computed
        assert np.array_equal(output, expected)
        skipped += computed.count(False)
    assert 4 < skipped < 4 * STEPS - 4


@pytest.mark.table("name", family=KIND_OF.get)
@pytest.mark.parametrize("spec", GATES)
@pytest.mark.parametrize("name", ["pixart", "flux_img2img", "wan22", "cogvideox", "hunyuandit", "kandinsky22"])
def test_decisions_replay_to_the_bit(family, name, spec):
    """Also from a late start, with two calls a step, two denoisers, streams of text, long skips, two passes."""
    one = family(name)
    alike = {"prior_num_inference_steps": 4} if name == "kandinsky22" else {}  # as many steps as the U-Net makes
    with apply(one.pipe, spec) as handle, counted(one) as ran:
        output = one.call(**alike)
    recorded, stats = handle.recorded, handle.stats
    assert recorded.provenance.origin == POLICIES[spec.split(":")[0]](*handle.program.__dict__.values()).spec
    assert recorded == stats.schedule
    assert stats.cached_bytes == 0
    assert {c: ran[c] for d in one.model.denoisers for c in d.modules} == {
        c: stats.executed[c] for d in one.model.denoisers for c in d.modules
    }
    with apply(one.pipe, recorded) as replay:
        assert np.array_equal(one.call(**alike), output)
    assert replay.stats.executed == stats.executed
    assert replay.stats.peak_cached_bytes <= stats.peak_cached_bytes
    assert stats.predicted_peak_bytes == replay.stats.predicted_peak_bytes


@pytest.mark.table("name", family=KIND_OF.get)
@pytest.mark.parametrize("name", ["pixart", "flux", "wan", "sd15", "sdxl", "svd", "animatediff"])
def test_a_threshold_of_zero_changes_nothing(family, name):
    one = family(name)
    for gate in (p for p in POLICIES.values() if issubclass(p, Gate)):
        with apply(one.pipe, gate(0.0)) as handle:
            assert np.array_equal(one.call(), one.reference)
        assert handle.recorded.is_full


def test_all_calls_of_a_step_follow_the_first(family):
    one = family("wan")
    with apply(one.pipe, "fbcache:0.3") as handle, counted(one) as ran:
        one.call(steps=STEPS)
    block = one.model.tree.of_kind("block")[-1].id
    computed = int(handle.recorded.executed[:, handle.recorded.tree.index[block]].sum())
    assert ran[block] == 2 * computed < 2 * STEPS


def test_a_file_of_decisions_is_a_schedule_like_any_other(family, tmp_path):
    from evocache.schedule import load, save

    one = family("pixart")
    with apply(one.pipe, "fbcache:0.3") as handle:
        output = one.call()
    save(handle.recorded, tmp_path / "recorded.json")
    assert load(tmp_path / "recorded.json") == handle.recorded
    with apply(one.pipe, str(tmp_path / "recorded.json")):
        assert np.array_equal(one.call(), output)


def test_numbers_of_steps_may_change_between_generations(family):
    one = family("pixart")
    with apply(one.pipe, "teacache:0.3") as handle:
        first = one.call(steps=6)
        assert handle.recorded.steps == 6
        one.call(steps=3)
        assert handle.recorded.steps == 3
        assert np.array_equal(one.call(steps=6), first)
    assert isinstance(handle.recorded, Schedule)


def test_nothing_is_alive_after_an_exception(family):
    one = family("pixart")
    seen = []

    def callback(step, timestep, latents):
        for branch in handle._latest.follower._branches.live:
            held = [kept.get() for kept in branch.governor.signal.kept]
            seen.extend(weakref.ref(tensor) for tensor in held if tensor is not None)
        if step == 2:
            raise KeyboardInterrupt

    before = snapshot(one.pipe)
    with apply(one.pipe, "fbcache:0.3") as handle:
        with pytest.raises(KeyboardInterrupt):
            one.call(steps=5, callback=callback, callback_steps=1)
        assert handle.stats.cached_bytes == 0
        gc.collect()
        assert len(seen) == 3
        assert not [ref for ref in seen if ref() is not None]
        assert handle.recorded.steps == 5
    assert {path for path in changes(before, snapshot(one.pipe)) if not path.startswith("scheduler.")} == set()


@pytest.mark.parametrize("spec", GATES)
def test_nothing_is_held_when_latents_are_decoded(family, spec):
    one = family("pixart")
    decode, held = one.pipe.vae.decode, []

    def seen(*args, **kwargs):
        generation = handle._latest.follower
        held.append((generation.store.bytes, [governor.signal.bytes for governor in generation.governors.all]))
        return decode(*args, **kwargs)

    one.pipe.vae.decode = seen
    try:
        with apply(one.pipe, spec) as handle:
            one.call()
    finally:
        del one.pipe.vae.decode
    assert held == [(0, [0])]
    assert handle.stats.gate_bytes > 0


@pytest.mark.parametrize("spec", ["fbcache:0.9", "easycache:9"])
@pytest.mark.parametrize("how", ["plain", "host adds", "host writes", "block writes"])
def test_hosts_that_write_are_noticed_and_replayed(how, spec):
    pipe = Pipe(how)
    with apply(pipe, spec) as handle:
        output = pipe(STEPS)
    assert not handle.recorded.is_full
    again = Pipe(how)
    with apply(again, handle.recorded) as replay:
        assert torch.equal(again(STEPS), output)
    assert replay.stats.executed == handle.stats.executed


def test_a_change_of_shape_within_a_pass_begins_anew():
    class Growing(Pipe):
        @torch.no_grad()
        def __call__(self, steps):
            self.scheduler.set_timesteps(steps)
            x = torch.randn(1, 5, 8, generator=torch.Generator().manual_seed(1))
            for i, t in enumerate(self.scheduler.timesteps):
                x = torch.cat([x, x[:, :2]], 1) if i == 4 else x
                x = x - 0.1 * self.transformer(x, timestep=t)
                self.scheduler.step(x[:, :5], t, x[:, :5])
            return x

    pipe = Growing("plain")
    with apply(pipe, "fbcache:1") as handle:
        output = pipe(STEPS)
    reads = handle.recorded.read[:, handle.recorded.tree.index["transformer/blocks[1:4]"]].tolist()
    assert reads == [False, True, True, True, False, True, True, True]
    with apply(pipe, handle.recorded):
        assert torch.equal(pipe(STEPS), output)


def test_what_is_compared_is_counted_apart(family):
    one = family("pixart")
    with apply(one.pipe, "fbcache:0") as handle:
        one.call()
    span = "transformer/blocks[1:4]"
    assert handle.stats.gate_bytes == handle._latest.record.branches[0].sizes[span]  # of one stream, as is the residual
    with apply(one.pipe, "none") as handle:
        one.call()
    assert handle.stats.gate_bytes == 0


def test_passes_that_differ_are_no_single_schedule():
    pipe = Pipe("plain")
    with apply(pipe, "fbcache:0.9") as handle, handle.generation():
        type(pipe).__mro__[1].__call__(pipe, STEPS)
        type(pipe).__mro__[1].__call__(pipe, STEPS - 3)
    assert handle.stats.schedule is None
    with pytest.raises(PolicyError, match="several passes"):
        _ = handle.recorded


def test_refusals(family):
    one = family("pixart")
    with pytest.raises(PolicyError, match=r"fbcache:0.1 with a memory budget.*handle\.recorded"):
        apply(one.pipe, "fbcache:0.1", memory="1GB")
    with pytest.raises(PolicyError, match="stack of more than 4 blocks"):
        apply(one.pipe, "dbcache:0.1,4")
    with apply(one.pipe, "fbcache:0.1") as handle:
        with pytest.raises(PipelineError, match="no generation so far"):
            _ = handle.recorded
        with pytest.raises(PolicyError, match="memory budget or plan"):
            handle.plan(prompt="a")


def test_a_schedule_is_its_own_record(family):
    one = family("pixart")
    with apply(one.pipe, "fora:2") as handle:
        one.call()
    assert handle.recorded == handle.stats.schedule


class Syncs(TorchDispatchMode):
    """Counts how often a tensor's value is waited for."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("spec", GATES)
def test_one_value_is_waited_for_at_each_step_and_none_under_a_schedule(family, spec):
    one = family("wan")

    def syncs(what):
        with apply(one.pipe, what) as handle, Syncs() as seen:
            one.call(steps=STEPS)
        return seen.count, handle.recorded

    without, _ = syncs("none")
    found, recorded = syncs(spec)
    assert 0 < found - without < STEPS
    assert syncs(recorded)[0] == without


def test_blocks_that_are_called_in_another_order_than_they_are_registered_in():
    """The governed blocks come before the first one: the stream itself is compared."""

    class Backwards(Pipe):
        def __init__(self, how):
            super().__init__(how)
            forward = self.transformer.forward

            def backwards(hidden_states, timestep):
                blocks = self.transformer.transformer_blocks
                self.transformer.transformer_blocks = torch.nn.ModuleList(reversed(blocks))
                try:
                    return forward(hidden_states, timestep)
                finally:
                    self.transformer.transformer_blocks = blocks

            self.transformer.forward = backwards

    for spec in ("fbcache:0.3", "teacache:0.3"):
        pipe = Backwards("plain")
        with apply(pipe, spec) as handle:
            output = pipe(STEPS)
        assert not handle.recorded.is_full
        with apply(pipe, handle.recorded):
            assert torch.equal(pipe(STEPS), output)


def test_inference_tensors_are_compared_too():
    pipe = Pipe("plain")
    with apply(pipe, "fbcache:0.9") as handle:
        output = pipe(STEPS)
        with torch.inference_mode():
            assert torch.equal(pipe(STEPS), output)
    assert not handle.recorded.is_full


@pytest.mark.table("name", family=FAMILY_OF.get)
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_gated(family, name):
    one = family(name)
    with apply(one.pipe, "fbcache:9") as handle:
        output = one.call()
    assert handle.stats.executed_fraction < 1
    if name in ("stable_cascade", "kandinsky22"):  # the prior makes another number of steps than the other denoiser
        with pytest.raises(PolicyError, match="several passes"):
            _ = handle.recorded
        return
    with apply(one.pipe, handle.recorded) as replay:
        assert np.array_equal(one.call(), output)
    assert replay.stats.executed == handle.stats.executed
