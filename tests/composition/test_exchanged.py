"""Modules exchanged in a denoiser after `apply`: the next generation is what applying anew would give, to the bit."""

from __future__ import annotations

import copy
import gc
import weakref

import numpy as np
import pytest
import torch
from diffusers.utils.peft_utils import recurse_remove_peft_layers
from torch import nn

from evocache import apply, discover
from evocache.errors import Error, MismatchError
from evocache.policies import parse
from tests.tiny import FAMILIES, KIND_OF

peft = pytest.importorskip("peft")

LEAVES = {
    "flux": (["to_q", "to_out.0"], ["add_k_proj"], ["net.0.proj", "net.2"], ["proj_mlp"], ["proj_out"], ["linear"]),
    "pixart": (["attn1.to_k"], ["attn2.to_v"], ["net.0.proj", "net.2"]),
    "sd15": (["to_q"], ["net.0.proj"], ["proj_in"], ["conv1"], ["time_emb_proj"], ["conv_shortcut"]),
    "wan": (["attn1.to_q"], ["attn2.to_k"], ["ffn.net.0.proj", "ffn.net.2"]),
}
"""Kinds of layers that adapters are put around, by family."""

CASES = [(name, spec) for name in LEAVES for spec in ("fora:2", "deepcache:2" if name == "sd15" else "steps:0,2")]


def adapter(denoiser, targets, name, seed=1):
    """Give a denoiser a LoRA, drawn at random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = peft.LoraConfig(r=2, target_modules=targets, init_lora_weights=False)
        if hasattr(denoiser, "add_adapter"):
            denoiser.add_adapter(config, name)
        else:
            peft.inject_adapter_in_model(config, denoiser, name)


def without(denoiser, name):
    """Take a LoRA away again, its layers with it."""
    if hasattr(denoiser, "delete_adapters"):
        denoiser.delete_adapters(name)
    else:
        recurse_remove_peft_layers(denoiser)
        del denoiser.peft_config


def anew(tiny, pipe, spec, **changes):
    """What applying now gives."""
    with apply(pipe, spec) as handle:
        return tiny.call(pipe, **changes), handle.stats.executed


@pytest.mark.table("name", family=KIND_OF.get)
@pytest.mark.parametrize(("name", "spec"), CASES)
def test_adapters_on_every_kind_of_layer(name, spec):
    tiny = FAMILIES[name]
    pipe = tiny.build()
    denoiser = getattr(pipe, tiny.denoisers[0])
    handle = apply(pipe, spec)
    bare = tiny.call(pipe)
    seen = []
    for i, targets in enumerate(LEAVES[name]):
        adapter(denoiser, targets, f"a{i}", seed=i)
        output, executed = tiny.call(pipe), handle.stats.executed
        twin = tiny.build()
        adapter(getattr(twin, tiny.denoisers[0]), targets, f"a{i}", seed=i)
        expected, counts = anew(tiny, twin, spec)
        assert np.array_equal(output, expected), targets
        assert executed == counts
        without(denoiser, f"a{i}")
        seen.append(output)
        assert np.array_equal(tiny.call(pipe), bare)
    assert all(np.isfinite(output).all() for output in seen)
    assert len({output.tobytes() for output in [bare, *seen]}) > len(seen)


@pytest.mark.table("name", family=KIND_OF.get)
@pytest.mark.filterwarnings("ignore:Already found a `peft_config`:UserWarning", "ignore:Adapter first was:UserWarning")
@pytest.mark.parametrize(("name", "spec"), [case for case in CASES if case[0] != "pixart"])
def test_adapters_swapped_fused_disabled_and_taken_away(name, spec):
    tiny = FAMILIES[name]
    pipe = tiny.build()
    denoiser = getattr(pipe, tiny.denoisers[0])
    targets = [layer for kind in LEAVES[name][:3] for layer in kind]
    handle = apply(pipe, spec)
    bare = tiny.call(pipe)
    edits = {
        "first": lambda: adapter(denoiser, targets, "first", 1),
        "second": lambda: adapter(denoiser, targets, "second", 2),
        "swapped": lambda: denoiser.set_adapter("first"),
        "fused": lambda: denoiser.fuse_lora(),
        "unfused": lambda: denoiser.unfuse_lora(),
        "disabled": lambda: denoiser.disable_adapters(),
        "enabled": lambda: denoiser.enable_adapters(),
        "deleted": lambda: denoiser.delete_adapters(["first", "second"]),
    }
    twin = tiny.build()
    other = getattr(twin, tiny.denoisers[0])
    for edit, make in edits.items():
        make()
        output = tiny.call(pipe)
        copied, denoiser = denoiser, other
        make()
        denoiser = copied
        expected, counts = anew(tiny, twin, spec)
        assert np.array_equal(output, expected), edit
        assert handle.stats.executed == counts, edit
    assert np.abs(output - bare).max() < 1e-4  # weights that were fused and unfused are rounded


class QuantizedLinear(nn.Module):
    """A linear layer whose weights were rounded to eight bits, as packages put them in place of others."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        scale = linear.weight.detach().abs().amax(1, keepdim=True) / 127
        self.register_buffer("codes", (linear.weight.detach() / scale).round().to(torch.int8))
        self.register_buffer("scale", scale)
        self.bias = linear.bias
        self.in_features, self.out_features = linear.in_features, linear.out_features

    def forward(self, x):
        return nn.functional.linear(x, self.codes.to(x.dtype) * self.scale.to(x.dtype), self.bias)


def quantize(module):
    """Put rounded layers in the places of all linear layers of a model's blocks."""
    for path, part in list(module.named_modules()):
        inside = any(char.isdigit() for char in path)
        if type(part) is nn.Linear and inside:
            owner, _, name = path.rpartition(".")
            setattr(module.get_submodule(owner), name, QuantizedLinear(part))


def replaced(pipe, name, seed=3):
    """Put a copy with other weights in the place of a denoiser's last block."""
    denoiser = discover(pipe)[name]
    path = next(id for id, module in denoiser.modules.items() if module is denoiser.blocks[-1]).partition("/")[2]
    owner, _, key = path.rpartition(".")
    made = copy.deepcopy(denoiser.blocks[-1])
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for weight in made.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    parent = denoiser.module.get_submodule(owner)
    setattr(parent, key, made) if not isinstance(parent, nn.ModuleList) else parent.__setitem__(int(key), made)


@pytest.mark.table("name", family=KIND_OF.get)
@pytest.mark.parametrize("edit", ["quantized", "replaced"])
@pytest.mark.parametrize(("name", "spec"), CASES)
def test_layers_and_blocks_exchanged_in_place(name, spec, edit):
    tiny = FAMILIES[name]
    pipe, twin = tiny.build(), tiny.build()
    handle = apply(pipe, spec)
    bare = tiny.call(pipe)
    model, block = (weakref.ref(thing) for thing in (handle.model, handle.model.denoisers[0].blocks[-1]))
    for one in (pipe, twin):
        quantize(getattr(one, tiny.denoisers[0])) if edit == "quantized" else replaced(one, tiny.denoisers[0])
    output = tiny.call(pipe)
    expected, counts = anew(tiny, twin, spec)
    assert np.array_equal(output, expected)
    assert handle.stats.executed == counts
    assert not np.array_equal(output, bare)
    gc.collect()
    assert model() is None
    if edit == "quantized":
        assert 1e-6 < np.abs(output - bare).max() < 0.5
    else:
        assert block() is None  # what was replaced is not kept


def test_blocks_that_change_places(family):
    """The same modules in another order are another model."""
    tiny = FAMILIES["pixart"]
    pipe, twin = tiny.build(), tiny.build()
    with apply(pipe, "fora:2"):
        bare = tiny.call(pipe)
        for one in (pipe, twin):
            blocks = one.transformer.transformer_blocks
            blocks[0], blocks[1] = blocks[1], blocks[0]
        output = tiny.call(pipe)
    assert np.array_equal(output, anew(tiny, twin, "fora:2")[0])
    assert not np.array_equal(output, bare)


def test_a_second_denoiser_that_is_set_later(family):
    """Wan 2.2 has one for the late steps."""
    tiny = FAMILIES["wan22"]
    pipe, twin = tiny.build(), tiny.build()
    first, second = pipe.transformer, pipe.transformer_2
    pipe.transformer_2 = None
    pipe.register_to_config(boundary_ratio=None)
    handle = apply(pipe, "fora:2")
    alone = tiny.call(pipe)
    assert set(handle.stats.calls) == {"transformer"}
    pipe.transformer_2 = second
    pipe.register_to_config(boundary_ratio=twin.config.boundary_ratio)
    output = tiny.call(pipe)
    expected, counts = anew(tiny, twin, "fora:2")
    assert np.array_equal(output, expected)
    assert handle.stats.executed == counts
    assert set(handle.stats.calls) == {"transformer", "transformer_2"}
    assert not np.array_equal(alone, output)
    assert pipe.transformer is first


def test_a_model_that_became_another_is_refused(family):
    """A schedule for four blocks does not fit three."""
    tiny = FAMILIES["pixart"]
    pipe = tiny.build()
    handle = apply(pipe, parse("fora:2").schedule(discover(pipe).tree, 4))
    tiny.call(pipe)
    removed = pipe.transformer.transformer_blocks[-1]
    del pipe.transformer.transformer_blocks[-1]
    for _ in range(2):
        with pytest.raises(MismatchError, match="blocks"):
            tiny.call(pipe)
    pipe.transformer.transformer_blocks.append(removed)
    assert handle.active
    tiny.call(pipe)


@pytest.mark.parametrize("edit", ["adapter", "block", "quantized"])
@pytest.mark.parametrize(("name", "spec"), [("flux", "fora:3"), ("sd15", "deepcache:3"), ("sd15", "fora:3")])
def test_what_is_exchanged_while_the_pipeline_denoises(name, spec, edit):
    """From a callback: everything is computed once by what is there now, then the schedule goes on."""
    tiny = FAMILIES[name]
    pipe = tiny.build()
    denoiser = getattr(pipe, tiny.denoisers[0])
    change = {
        "adapter": lambda: adapter(denoiser, [layer for kind in LEAVES[name] for layer in kind], "late"),
        "block": lambda: replaced(pipe, tiny.denoisers[0]),
        "quantized": lambda: quantize(denoiser),
    }[edit]
    computed = []
    watched = discover(pipe)[tiny.denoisers[0]]
    root = watched.module.register_forward_pre_hook(lambda *_: computed.append(0))

    def callback(pipe, step, timestep, tensors):
        if step == 3:
            change()
            leaf = discover(pipe)[tiny.denoisers[0]].blocks[-1]
            leaf.register_forward_hook(lambda *_: computed.append(step))
        return tensors

    with apply(pipe, spec):
        output = tiny.call(pipe, steps=6, callback_on_step_end=callback)
    root.remove()
    # step 4 is reused under a schedule of every third step, and computed after the change; step 5 is reused again
    assert len(computed) > 6
    assert np.isfinite(output).all()
    reference = FAMILIES[name].build()
    pipe, denoiser = reference, getattr(reference, tiny.denoisers[0])
    uncached = tiny.call(reference, steps=6, callback_on_step_end=callback)
    assert np.abs(output - uncached).mean() < 0.1


def test_nothing_left_is_an_error_of_ours(family):
    pipe = FAMILIES["pixart"].build()
    apply(pipe, "fora:2")
    pipe.transformer = None
    with pytest.raises((Error, AttributeError, TypeError)):
        FAMILIES["pixart"].call(pipe)
