"""`torch.compile`, of the whole denoiser and of its blocks: same bits, no graph break, a graph for each kind of row.

`fullgraph=True` makes a break an error. With the backend `eager` a graph is run operation by operation, so that outputs
are those of the model as it is.
"""

from __future__ import annotations

import logging
import threading
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from evocache import apply
from evocache.errors import PipelineError
from evocache.memory import FeatureStore
from evocache.model.outputs import make_blank
from evocache.runtime.attach.region import Regions, compiler, replays
from evocache.runtime.ops import branch
from evocache.runtime.ops.leaf import Blank
from evocache.runtime.ops.stored_output import BARE
from evocache.schedule import uniform
from tests.composition import compiling
from tests.composition.compiling import dynamo
from tests.runtime.loops import handed_over, looped, streamed
from tests.runtime.support import random_schedule
from tests.tiny import FAMILIES, share

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of dynamo itself
]


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    """Nothing compiled yet; and torch does not write down all that it traces because pytest would hear it."""
    monkeypatch.setattr(logging.getLogger("torch.__trace"), "propagate", False)
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


CASES = [
    # build, family, what is compiled, spec, graphs of the first generation under the schedule
    ("pixart", "whole", "fora:2", 2),
    ("pixart", "wrapped", "steps:0,2", 3),
    ("pixart", "whole", "fbcache:0.2", 1),
    ("flux", "blocks", "fora:2", 5),
    ("flux", "blocks", "steps:0,2", 3),
    ("sd", "whole", "deepcache:2", 2),
]
FAMILY = {"sd": "sd15"}


@pytest.mark.table("case", family=lambda case: case[1])
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_compiled_as_it_is(case):
    build, how, spec, graphs = case
    pipe, tiny = getattr(compiling, build)(), FAMILIES[FAMILY.get(build, build)]
    reference = tiny.call(pipe)
    with apply(pipe, spec) as handle:
        expected = tiny.call(pipe)
        executed, peak = handle.stats.executed, handle.stats.peak_cached_bytes
    getattr(compiling, how)(pipe, tiny.denoisers[0], backend="eager", fullgraph=True)
    with apply(pipe, spec) as handle:
        with dynamo() as first:
            assert np.array_equal(tiny.call(pipe), expected)
        assert (first.graphs, first.breaks) == (graphs, 0)
        with dynamo() as second:
            assert np.array_equal(tiny.call(pipe, seed=0), expected)
        assert (second.graphs, second.breaks) == (0, 0)
        assert handle.stats.executed == executed
        assert handle.stats.peak_cached_bytes == peak == handle.stats.predicted_peak_bytes
        assert handle.stats.cached_bytes == 0
    assert np.array_equal(tiny.call(pipe), reference)


@pytest.mark.parametrize("how", ["whole", "blocks"])
def test_a_compiled_denoiser_serves_generations_and_others_in_turns(how):
    """A generation that is suspended, an untouched pipeline, and an engine that computes in a thread of its own."""
    pipe = compiling.pixart()
    twin = share(pipe)
    plain = list(looped(twin, seed=7))[-1]
    with apply(pipe, "fora:2") as handle:
        expected = list(streamed(handle))
    if how == "whole":
        pipe.transformer.compile(backend="eager", fullgraph=True)
    else:
        for block in pipe.transformer.transformer_blocks:
            block.compile(backend="eager", fullgraph=True)
    with ThreadPoolExecutor(1) as engine:
        call = handed_over(pipe.transformer, engine)
        with apply(pipe, "fora:2") as handle, dynamo() as first:
            for latents, right in zip(streamed(handle), expected, strict=True):
                assert torch.equal(latents, right)
                assert torch.equal(list(looped(twin, seed=7))[-1], plain)
            executed = handle.stats.executed
        assert first.breaks == 0
        with apply(pipe, "fora:2") as handle, dynamo() as second:
            for latents, right in zip(streamed(handle, call=call), expected, strict=True):
                assert torch.equal(latents, right)
                assert torch.equal(list(looped(twin, seed=7))[-1], plain)
                assert torch.equal(list(looped(twin, seed=7, call=call))[-1], plain)
            assert handle.stats.executed == executed
        assert (second.graphs, second.breaks) == (0, 0)


def test_more_kinds_of_rows_than_there_may_be_graphs():
    """Dynamo gives a function up after so many graphs: the rest is compiled block by block, or not at all."""
    pipe, tiny = compiling.pixart(), FAMILIES["pixart"]
    with apply(pipe, "none") as handle:
        tree = handle.model.tree
    schedule = random_schedule(tree, 8, seed=1)
    with apply(pipe, schedule):
        expected = tiny.call(pipe, steps=8)
    compiling.whole(pipe, "transformer", backend="eager", fullgraph=True)
    with torch._dynamo.config.patch(recompile_limit=3), apply(pipe, schedule) as handle:
        for _ in range(2):
            assert np.array_equal(tiny.call(pipe, steps=8), expected)
        assert handle.stats.executed == schedule.counts()


def test_one_handle_after_another_leaves_the_host_its_graphs():
    """Dynamo counts for the process: what earlier generations compiled is remembered, and room for the host kept."""
    pipe, tiny = compiling.pixart(), FAMILIES["pixart"]
    reference = tiny.call(pipe)
    with apply(pipe, "none") as handle:
        tree = handle.model.tree
    leaves = [c.id for c in tree.of_kind("attention")]
    schedules = [uniform(tree, 4, leaves[i : i + 1], [0, 2]) for i in range(3)]
    expected = []
    for schedule in schedules:
        with apply(pipe, schedule):
            expected.append(tiny.call(pipe))
    compiling.whole(pipe, "transformer", backend="eager", fullgraph=True)
    with torch._dynamo.config.patch(recompile_limit=3):
        for schedule, output in zip(schedules, expected, strict=True):
            with apply(pipe, schedule) as handle:
                assert np.array_equal(tiny.call(pipe), output)
                assert handle.stats.executed == schedule.counts()
        assert np.array_equal(tiny.call(pipe), reference)


@pytest.mark.parametrize(("spec", "storage"), [("taylorseer:2", "none"), ("fora:2", "int8")])
def test_what_is_made_to_be_read_is_made_block_by_block(spec, storage, monkeypatch):
    """Forecasts and decoded features are tensors of their own: those of all blocks are not made beforehand."""
    pipe, tiny = compiling.pixart(), FAMILIES["pixart"]
    with apply(pipe, spec, storage=storage):
        expected = tiny.call(pipe, steps=6)
    compiling.whole(pipe, "transformer", backend="eager", fullgraph=True)
    at_once: list[bool] = []
    call = Regions.call
    monkeypatch.setattr(Regions, "call", lambda *given, whole: at_once.append(whole) or call(*given, whole=whole))
    with apply(pipe, spec, storage=storage):
        assert np.array_equal(tiny.call(pipe, steps=6), expected)
    assert at_once == [True, storage == "none", True, False, True, False]


def test_stand_ins_that_take_no_memory_go_into_a_region():
    seen = make_blank((torch.ones(4, 8), torch.ones(3)))
    double = SimpleNamespace(blanks={}, packing={})
    module = torch.nn.Identity()
    double.blanks[id(module)] = [((), seen)]
    slot = Blank(double, 0).slot(module)
    assert [t.untyped_storage().nbytes() for t in slot.outputs[0]] == [4, 4]
    output = slot.run(None, module, (), {})
    assert [(t.shape, t.is_contiguous()) for t in output] == [((4, 8), True), ((3,), True)]


def test_features_of_leaves_that_are_not_called_are_let_go():
    """Operations outlive the call; what was taken for a leaf in it does not, if the host went without that leaf."""
    pipe = compiling.pixart()
    with apply(pipe, "fora:2") as handle:
        plan, layout, _ = handle._compiled.plan(handle.model.denoisers[0], 4, 0, 0)
        one = branch.Branch(layout, plan, FeatureStore(), None, None)
    column = next(c for c in plan.touched if one.layout.kinds[c] == "attention")
    one.begin(0)
    one.packing[column] = [BARE]
    one.put(column, [torch.ones(4)])
    one.finish()
    operation = one.begin(1)[one.layout.address(column)]
    slot = operation.slot(one.layout.module(column))
    feature = weakref.ref(slot.outputs[0])
    del slot
    assert feature() is not None
    one.finish()
    assert feature() is None
    assert operation in one.tables[plan.row(1).pattern].values()


def test_a_forward_that_was_compiled_by_itself_is_refused():
    """With components in it; a leaf's own forward is as good as any."""
    pipe, tiny = compiling.pixart(), FAMILIES["pixart"]
    with apply(pipe, "fora:2") as handle:
        expected = tiny.call(pipe)
        block = pipe.transformer.transformer_blocks[0]
        block.forward = torch.compile(block.forward, backend="eager")
        with pytest.raises(PipelineError, match=r"transformer_blocks\.0.*compile\(\)"):
            tiny.call(pipe)
        del block.forward
        block.ff.forward = torch.compile(block.ff.forward, backend="eager")
        assert np.array_equal(tiny.call(pipe), expected)
        assert set(handle.stats.executed.values()) == {2, 4}
    pipe.transformer.forward = torch.compile(pipe.transformer.forward, backend="eager")
    with pytest.raises(PipelineError, match=r"del pipe\.transformer\.forward") as caught:
        apply(pipe, "fora:2")
    assert "torch.compile(pipe.transformer)" in caught.value.mend
    pipe.transformer.forward = torch.compiler.disable(pipe.transformer.__class__.forward.__get__(pipe.transformer))
    with apply(pipe, "fora:2"):
        assert np.array_equal(tiny.call(pipe), expected)


def test_a_function_of_the_hosts_that_calls_the_denoiser_is_followed():
    """Compiled around the denoiser: dynamo breaks its graph where the denoiser is called, and nothing is bypassed."""
    pipe, tiny = compiling.pixart(), FAMILIES["pixart"]
    with apply(pipe, "fora:2") as handle:
        tiny.call(pipe)
        executed = handle.stats.executed
    model = pipe.transformer
    around = torch.compile(lambda *args, **kwargs: model(*args, **kwargs), backend="eager")
    with torch.no_grad(), apply(pipe, "fora:2") as handle, handle.generation():
        pipe.scheduler.set_timesteps(4)
        sample = torch.ones(1, model.config.in_channels, 8, 8)
        for t in pipe.scheduler.timesteps:
            words = torch.ones(1, 3, model.config.caption_channels)
            noise = around(
                sample, words, timestep=t[None], added_cond_kwargs={"resolution": None, "aspect_ratio": None}
            ).sample
            sample = pipe.scheduler.step(noise[:, :4], t, sample).prev_sample
        assert handle.stats.executed == executed


def test_a_host_that_writes_into_what_a_leaf_gave():
    """In a compiled region no version counter tells: what is stored is what the leaf returned all the same."""
    pipe, tiny = compiling.pixart(), FAMILIES["pixart"]

    class Writing(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, hidden_states):
            return self.inner(hidden_states).mul_(0.5)  # as hosts scale by a gate

    with apply(pipe, "none") as handle:
        leaves = [c.id for c in handle.model.tree.of_kind("attention")]
        tree = handle.model.tree
    for block in pipe.transformer.transformer_blocks:
        block.attn1.to_out[0] = Writing(block.attn1.to_out[0])
    schedule = uniform(tree, 4, leaves, [0, 2])
    with apply(pipe, schedule):
        expected = tiny.call(pipe)
    compiling.whole(pipe, "transformer", backend="eager", fullgraph=True)
    with apply(pipe, schedule) as handle:
        assert np.array_equal(tiny.call(pipe), expected)


def test_another_pipeline_and_thread_on_a_compiled_denoiser():
    """Between two steps of one pipeline another on its denoiser generates as it is, in a thread of its own."""
    one, tiny = compiling.pixart(), FAMILIES["pixart"]
    one.transformer.compile(backend="eager", fullgraph=True)
    twin = share(one)
    reference = tiny.call(twin)
    with apply(twin, "fora:2"):
        expected = tiny.call(twin)
    seen = []

    def between(step, timestep, latents):
        if step == 1:
            thread = threading.Thread(target=lambda: seen.append(tiny.call(twin)))
            thread.start()
            thread.join()

    with warnings.catch_warnings(), apply(one, "fora:2") as handle:
        warnings.simplefilter("ignore", FutureWarning)  # PixArt's callbacks are of the old kind
        assert np.array_equal(tiny.call(one, callback=between, callback_steps=1), expected)
        assert set(handle.stats.executed.values()) == {2, 4}
    assert np.array_equal(seen[0], reference)


def test_graphs_of_cuda_are_known_by_their_options():
    """What such a graph returns is overwritten at its next replay, so that it is copied; no other output is."""
    for options, expected in (({}, False), ({"mode": "reduce-overhead"}, True), ({"backend": "eager"}, True)):
        for how in (compiling.whole, compiling.wrapped):
            holder = SimpleNamespace(net=torch.nn.Linear(2, 2))
            how(holder, "net", **options)
            assert replays(holder.net) is expected


def test_what_compiles_is_found():
    """Blocks are compiled as their denoiser was: dynamo's context is asked for it, wherever torch keeps it."""
    linear = torch.nn.Linear(2, 2)
    wrapped = torch.compile(linear, backend="eager")
    linear.compile(backend="eager")
    for module in (wrapped, linear):
        torch._dynamo.reset()
        compile = compiler(module)
        assert compile is not None
        with dynamo() as counts:
            assert torch.equal(compile(lambda x: x + 1)(torch.ones(2)), torch.full((2,), 2.0))
        assert counts.graphs == 1
    assert compiler(torch.nn.Linear(2, 2)) is None


@pytest.mark.parametrize("spec", ["fora:2"])
def test_inductor(spec):
    """The compiler that is used in earnest; its kernels round differently."""
    pipe, tiny = compiling.pixart(), FAMILIES["pixart"]
    pipe.transformer.transformer_blocks = pipe.transformer.transformer_blocks[:1]
    with apply(pipe, spec) as handle:
        expected = tiny.call(pipe)
        executed = handle.stats.executed
    pipe.transformer.compile(fullgraph=True)
    with apply(pipe, spec) as handle:
        with dynamo() as counts:
            output = tiny.call(pipe)
        assert (counts.graphs, counts.breaks) == (2, 0)
        assert handle.stats.executed == executed
        assert np.array_equal(tiny.call(pipe), output)
    assert np.abs(output - expected).max() < 1e-5
