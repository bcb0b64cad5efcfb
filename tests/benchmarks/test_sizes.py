"""The benchmark of full sizes, on tiny models: what it writes, what it leaves out, what it says without a GPU."""

import gc
import json
import sys
from contextlib import contextmanager

import pytest
import torch

from benchmarks import gpu
from benchmarks.peers.contender import UNCACHED, Contender, Session
from benchmarks.peers.ours import nothing
from benchmarks.sizes import run as running
from benchmarks.sizes.field import entrants
from benchmarks.sizes.measure import Limits, living, measure
from benchmarks.sizes.models import MODELS, sample
from benchmarks.sizes.run import arguments, table
from evocache import discover
from evocache.model.architectures import ARCHITECTURES
from evocache.policies import parse

pytestmark = pytest.mark.filterwarnings("ignore")

STEPS = 4


@pytest.fixture(scope="module")
def pixart():
    return sample("pixart", tiny=True, dtype=torch.float32)


@contextmanager
def hoarding(pipe):
    """A cache that keeps a mebibyte of what it is asked to keep."""
    kept = [torch.zeros(2**18)]
    pipe.transformer.hoard = kept
    yield Session(roots=lambda: kept)


@contextmanager
def broken(pipe):
    raise ValueError("no such layer")
    yield


@contextmanager
def halved(pipe):
    """Every call of the denoiser is given back halved: other latents, no work saved."""
    listener = pipe.transformer.register_forward_hook(lambda module, args, output: (output[0] / 2,))
    yield Session()
    listener.remove()


def unsteady(turns):
    """Works as often as there are turns, and then no more."""

    @contextmanager
    def on(pipe):
        if not turns:
            raise RuntimeError("worn out")
        turns.pop()
        with halved(pipe) as session:
            yield session

    return on


def contender(name, on, family="peer"):
    return Contender(name, family, on, steps=STEPS)


def test_the_whole_path_on_a_cpu(monkeypatch, tmp_path, capsys):
    arguments = ["--size", "tiny", "--device", "cpu", "--models", "pixart", "--modes", "eager", "--steps", "4"]
    arguments += ["--rounds", "1", "--only", "^2 steps|fora:2|MagCache", "--out", str(tmp_path / "gpu")]
    monkeypatch.setattr(sys, "argv", ["gpu", *arguments])
    gpu.main()
    written = json.loads((tmp_path / "gpu.json").read_text())
    (model,) = written["models"]
    rows = {row["name"]: row for row in model["rows"]}
    assert (model["steps"], model["rounds"], model["compiled"], model["restored"]) == (4, 1, False, True)
    assert {name: row["executed"] for name, row in rows.items()} == {
        "uncached": 1.0,
        "2 steps": 0.5,
        "fora:2": 0.5,
        "diffusers MagCache, at most 2": 0.5,
    }
    assert all(row["timings"] == 1 for name, row in rows.items() if name != UNCACHED)
    assert rows["fora:2"]["cached bytes"] == 9 * 2 * 16 * 16 * 2  # nine leaves of two samples in bf16
    assert all(row["bytes alive after the call"] < 1000 for row in rows.values())
    assert table(model) in capsys.readouterr().out


def test_what_is_left_alive_fails_or_does_nothing_is_told(pixart):
    entries = [contender(UNCACHED, nothing, UNCACHED), contender("hoard", hoarding), contender("broken", broken)]
    entries += [contender("idle", nothing), contender("halved", halved)]
    saved = []
    found = measure(pixart, entries, Limits(2, lambda: 1e9), lambda row: saved.append(json.dumps(row, default=str)))
    rows = {row["name"]: row for row in found["rows"]}
    assert 2**20 <= rows["hoard"]["bytes alive after the call"] < 2**20 + 1000
    assert rows["hoard"]["cached bytes"] == 2**20
    assert rows["hoard"]["left behind"] == ["hoard"]
    assert rows["hoard"]["no-op"]
    assert rows["broken"]["error"] == "ValueError: no such layer"
    assert [name for name, row in rows.items() if "timings" in row] == ["halved"]
    assert (rows["halved"]["executed"], rows["halved"]["timings"], found["rounds"]) == (1.0, 2, 2)
    assert found["restored"]
    assert len(saved) == 5 + 2 + 1
    shown = table(found)
    assert "fails: ValueError: no such layer" in shown
    assert shown.count("does nothing") == 2


def test_what_fails_later_is_told_and_timed_no_more(pixart):
    entries = [contender(UNCACHED, nothing, UNCACHED), contender("unsteady", unsteady([1, 1]))]
    found = measure(pixart, entries, Limits(3, lambda: 1e9), lambda row: None)
    row = found["rows"][1]
    assert (row["timings"], row["error"], found["rounds"]) == (1, "RuntimeError: worn out", 3)


def test_nothing_is_begun_for_which_there_is_no_time(pixart):
    entries = [contender(UNCACHED, nothing, UNCACHED), contender("halved", halved)]
    left = iter([1e9, 1e9])  # for the warm-up and the uncached pipeline
    found = measure(pixart, entries, Limits(5, lambda: next(left, 0.0)), lambda row: None)
    assert [row.get("left out") for row in found["rows"]] == [None, "no time"]
    assert (found["rounds"], found["restored"]) == (0, None)
    assert found["warm-up seconds"] > 0
    assert measure(pixart, entries, Limits(5, lambda: 0.0), lambda row: None)["left out"] == "no time"


def test_without_figures_of_the_uncached_pipeline_nothing_is_timed(pixart):
    entries = [contender(UNCACHED, broken, UNCACHED), contender("halved", halved)]
    found = measure(pixart, entries, Limits(2, lambda: 1e9), lambda row: None)
    assert found["rows"][0]["error"] == "ValueError: no such layer"
    assert ("timings" in found["rows"][1], found["rounds"], found["restored"]) == (False, 0, True)
    assert "fails: ValueError" in table(found)


def options(path, *more):
    given = ["--size", "tiny", "--steps", "2", "--rounds", "0", "--only", "^1 steps", "--out", str(path), *more]
    return arguments("what", tuple(MODELS), "sizes", 10.0).parse_args(given)


def test_what_a_model_raises_is_its_row_and_not_the_end(monkeypatch, tmp_path):
    def made(name, **given):
        if name == "flux":
            raise RuntimeError("no such kernel\nat line 1")
        return sample(name, **given)

    monkeypatch.setattr(running, "sample", made)
    running.run(options(tmp_path / "out", "--models", "flux,pixart"), "what", "cpu")
    flux, after = json.loads((tmp_path / "out.json").read_text())["models"]
    assert flux == {"model": "flux", "compiled": False, "error": "RuntimeError: no such kernel"}
    assert [row["name"] for row in after["rows"]] == [UNCACHED, "1 steps"]


def test_turns_without_time_are_left_out_and_say_so(tmp_path):
    running.run(options(tmp_path / "out", "--models", "pixart,wan", "--minutes", "0"), "what", "cpu")
    found = json.loads((tmp_path / "out.json").read_text())["models"]
    assert [(row["model"], row["left out"][:7]) for row in found] == [("pixart", "no time"), ("wan", "no time")]


def test_a_model_can_have_steps_of_its_own(tmp_path):
    found = running.run(options(tmp_path / "out", "--models", "pixart:3", "--only", "^$"), "what", "cpu")
    assert found["models"][0]["steps"] == 3
    with pytest.raises(SystemExit, match="pixart:few: expected a model"):
        running.run(options(tmp_path / "out", "--models", "pixart:few"), "what", "cpu")


def test_compiled_contenders_all_keep_their_graphs():
    made = sample("pixart", tiny=True, dtype=torch.float32)
    for block in made.denoiser.transformer_blocks:
        block.compile(backend="eager")

    def followed(kind):
        """The first feed-forward followed by another layer: another graph. Hooks are not guarded by dynamo."""

        @contextmanager
        def on(pipe):
            block = pipe.transformer.transformer_blocks[0]
            plain = block.ff
            block.ff = torch.nn.Sequential(plain, kind())
            yield Session()
            block.ff = plain

        return on

    entries = [Contender(UNCACHED, UNCACHED, nothing, steps=2)]
    kinds = (torch.nn.Tanh, torch.nn.Sigmoid)
    entries += [Contender(kind.__name__, "peer", followed(kind), steps=2) for kind in kinds]
    with torch._dynamo.config.patch(recompile_limit=1):
        found = measure(made, entries, Limits(1, lambda: 1e9), lambda row: None, compiled=True)
    rows = found["rows"]
    assert [row.get("error") for row in rows] == [None] * 3
    counts = [
        [row[name] for name in ("graphs", "graph breaks", "frames not compiled", "graphs while timed")] for row in rows
    ]
    assert counts == [[0, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]  # the warm-up made those of the first
    assert [row["timings"] for row in rows[1:]] == [1, 1]


def test_ours_and_theirs_take_turns(pixart):
    _, *others = entrants(pixart.pipe, STEPS)
    theirs = [c.family.startswith(("diffusers ", "cache-dit ")) for c in others]
    assert theirs[:8] == [False, True] * 4


def test_without_a_gpu_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gpu"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    gpu.main()
    assert "no GPU here" in capsys.readouterr().out


def test_living_bytes_count_a_storage_once():
    gc.collect()
    before = living(torch.device("cpu"))
    one = torch.zeros(1000)
    views = [one[:10], one[10:]]
    assert living(torch.device("cpu")) - before == 4000
    del one, views
    assert living(torch.device("cpu")) == before


@pytest.mark.parametrize("name", MODELS)
def test_each_model_generates_and_has_contenders(name):
    made = sample(name, tiny=True, dtype=torch.float32)
    latents = made.run(2)
    assert latents.isfinite().all()
    assert torch.equal(latents, made.run(2))
    assert type(made.denoiser).__name__ == ARCHITECTURES[MODELS[name].architecture].cls
    families = {c.family for c in entrants(made.pipe, STEPS)}
    assert {"uncached", "fewer steps", "policy", "diffusers PyramidAttentionBroadcast"} <= families
    assert ("diffusers MagCache" in families) == (name not in ("sd15", "sdxl"))


@pytest.mark.parametrize("name", ["flux", "pixart", "wan"])
def test_taylorseer_is_given_the_layers_that_fora_reuses(name):
    made = sample(name, tiny=True, dtype=torch.float32)
    tree = discover(made.pipe).tree
    schedule = parse("fora:2").schedule(tree, 2)
    leaves = [tree.components[index].id for index in tree.leaves]
    reused = {leaf.partition("/")[2] for leaf in leaves if schedule.action(1, leaf).name == "reuse"}
    taylor = next(c for c in entrants(made.pipe, STEPS) if c.family == "diffusers TaylorSeer")
    with taylor.on(made.pipe):
        hooked = {part for part, module in made.denoiser.named_modules() if hasattr(module, "_diffusers_hook")}
    assert hooked - {""} == reused  # the denoiser itself has a registry of hooks, too
    assert len(reused) == {"flux": 3 + 2 * 3, "pixart": 9, "wan": 9}[name]


def test_the_timestep_is_read_only_for_caches_that_ask_for_it(pixart):
    watched = {}
    for entrant in entrants(pixart.pipe, STEPS):
        if entrant.family.startswith("diffusers "):
            with entrant.on(pixart.pipe):
                watched[entrant.family.removeprefix("diffusers ")] = len(pixart.denoiser._forward_pre_hooks)
    assert watched == {"PyramidAttentionBroadcast": 1, "FirstBlockCache": 0, "TaylorSeer": 0, "MagCache": 0}


def test_deepcache_by_its_own_package_keeps_what_it_wraps():
    pytest.importorskip("DeepCache", reason="needs the extra peers")
    made = sample("sd15", tiny=True, dtype=torch.float32)
    entries = [c for c in entrants(made.pipe, STEPS) if c.family in (UNCACHED, "DeepCache") or c.name == "deepcache:2"]
    found = measure(made, entries[:3], Limits(0, lambda: 1e9), lambda row: None)
    rows = {row["name"]: row for row in found["rows"]}
    ours, theirs = rows["deepcache:2"], rows["DeepCache 2"]
    assert ours["executed"] == theirs["executed"] < 1
    assert ours["cached bytes"] < theirs["cached bytes"] / 10
    assert ours["bytes alive after the call"] < 1000 < theirs["bytes alive after the call"]
    assert found["restored"]
