"""Weights that leave the device and come back: values, identities and shared memory stay."""

import copy
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from evocache.memory.offload import packed_weights
from evocache.memory.offload.packed_weights import Packed, packable
from evocache.memory.offload.stage_offload import Offload, Summons, find_offloadable
from tests.memory.offload.stand_in_streams import StandIns
from tests.tiny import FAMILIES, share

CPU = torch.device("cpu")


class Odd(nn.Module):
    """Tied weights, views of one storage, types of all widths, and what has no elements."""

    def __init__(self):
        super().__init__()
        self.first, self.tied = nn.Linear(37, 19), nn.Linear(37, 19)
        self.tied.weight = self.first.weight
        whole = torch.randn(4, 30)
        self.rows, self.columns = nn.Parameter(whole[1:3]), nn.Parameter(whole[:, 5:9], requires_grad=False)
        self.register_buffer("bytes", torch.arange(7, dtype=torch.int8))
        self.register_buffer("wide", torch.randn(3, dtype=torch.float64), persistent=False)
        self.register_buffer("nothing", torch.zeros(0, 3))
        self.turned = nn.Parameter(torch.randn(5, 3).half().t())

    def forward(self, x):
        return self.tied(x)


def tensors(module):
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


@pytest.mark.parametrize("piece", [64, 1 << 20])
def test_weights_are_the_same_wherever_they_are(monkeypatch, piece):
    monkeypatch.setattr(packed_weights, "PIECE", piece)
    module = Odd()
    own = tensors(module)
    before = {name: (id(t), t.clone(), t.stride(), t.requires_grad) for name, t in own.items()}

    def check():
        now = tensors(module)
        assert now.keys() == before.keys()
        for name, tensor in now.items():
            identity, value, stride, learns = before[name]
            assert (id(tensor), tensor.stride(), tensor.requires_grad) == (identity, stride, learns)
            assert torch.equal(tensor, value)
        assert module.tied.weight is module.first.weight
        assert module.rows.untyped_storage().data_ptr() == module.columns.untyped_storage().data_ptr()

    found = Packed(module, CPU)
    assert not found.there
    check()
    for _ in range(2):
        found.come()
        assert found.there
        check()
        with torch.no_grad():
            module.first.bias += 1  # of what is on the device
        found.leave()
        assert not found.there
        check()  # nothing was copied back
    found.come()
    found.unpack()
    check()
    sizes = {t.untyped_storage().nbytes() for t in tensors(module).values()}
    assert max(sizes) == 4 * 37 * 19  # each storage has memory of its own again


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("number", [0, 1, 4])
def test_weights_that_cannot_all_be_on_the_device_are_on_the_host_as_before(monkeypatch, number, there):
    module = Odd()
    module.first.bias.data = module.first.bias.double()
    before = {name: tensor.clone() for name, tensor in tensors(module).items()}
    found, real, calls = Packed(module, CPU), packed_weights._look, itertools.count()
    lay = {name: tensor.data_ptr() for name, tensor in tensors(module).items()}
    if there:
        found.come()

    def look(place, memory, start=None):
        if start is not None and next(calls) == number:
            raise torch.OutOfMemoryError
        real(place, memory, start)

    with monkeypatch.context() as patch:
        patch.setattr(packed_weights, "_look", look)
        with pytest.raises(torch.OutOfMemoryError):
            found.unpack()
    assert not found.there
    assert {name: tensor.data_ptr() for name, tensor in tensors(module).items()} == lay
    found.come()
    found.unpack()
    assert module.tied.weight is module.first.weight
    assert all(torch.equal(tensor, before[name]) for name, tensor in tensors(module).items())


class Marked(torch.Tensor):
    """A tensor of a class of its own."""


@pytest.mark.parametrize("there", [False, True], ids=["away", "there"])
def test_weights_that_are_cast_meanwhile_are_what_they_are_now(there):
    module = Odd()
    values = {name: t.clone() for name, t in tensors(module).items()}
    found = Packed(module, CPU)

    def check(dtype):
        for name, tensor in tensors(module).items():
            like = values[name] if values[name].dtype is torch.int8 else values[name].to(dtype)
            assert tensor.dtype is like.dtype
            assert torch.equal(tensor, like), name

    if there:
        found.come()
    module.to(torch.float64)
    check(torch.float64)
    for _ in range(2):
        found.come()
        assert found.there
        check(torch.float64)
        found.leave()
        assert not found.there
        check(torch.float64)
    found.come()
    found.unpack()
    check(torch.float64)


def test_weights_that_are_cast_and_cast_back_are_packed_again():
    module = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 3)).half()
    values = {name: t.clone() for name, t in tensors(module).items()}
    found = Packed(module, CPU)
    hosts = {piece.host.untyped_storage()._cdata for piece in found._pieces}
    for _ in range(2):
        module.float()
        found.come()
        module.half()
        found.leave()
        assert {t.untyped_storage()._cdata for t in tensors(module).values()} == hosts
        assert all(torch.equal(t, values[name]) for name, t in tensors(module).items())


def test_weights_that_change_on_the_device_are_kept():
    module = nn.Linear(5, 7)
    found = Packed(module, CPU)
    found.come()
    module.weight.data = torch.full((7, 5), 2.0)
    found.leave()
    assert bool((module.weight == 2).all())
    found.come()
    assert bool((module.weight == 2).all())


def test_a_second_stream_waits_for_the_weights():
    """It waits once for each time that they come, and their memory is kept for it; so it does for those that moved."""
    streams, module = StandIns(), nn.Linear(5, 7)
    found = Packed(module, CPU, streams)
    weight = module.weight
    found.come()
    found.come()
    assert streams.log == []
    second, third = streams.new(), streams.new()
    for stream in (second, third, second, streams.first):
        with streams.within(stream):
            found.come()
    assert streams.log == ["1 waits for event 0 of 0", "1 records 1", "2 waits for event 0 of 0", "2 records 1"]
    streams.log.clear()
    found.leave()
    with streams.within(second):
        found.come()
        weight.data = weight.data.clone()
    found.come()
    assert streams.log == ["0 waits for event 0 of 1", "0 records 2"]  # the piece, and the weight that left it


def test_an_autoencoder_that_is_cast_for_encoding():
    """Stable Video Diffusion encodes the picture in float32 and decodes in float16, which takes long on a CPU."""
    tiny = FAMILIES["svd"]
    pipe = tiny.build().to(torch.float16)
    assert pipe.vae.config.force_upcast
    whole = tiny.call(pipe, steps=1)
    stages = {"vae": ("encode", "decode"), "image_encoder": ("encode",), "unet": ("denoise",)}
    offload = Offload(find_offloadable(pipe), stages, CPU)
    for _ in range(2):
        offload.rest()
        assert np.array_equal(tiny.call(pipe, steps=1), whole)
    offload.remove()
    assert np.array_equal(tiny.call(pipe, steps=1), whole)


def test_weights_of_special_kinds_stay():
    module = nn.Linear(2, 2)
    assert packable(module)
    assert packable(nn.Linear(2, 2, device="meta"))  # of a pipeline that is planned for without weights
    module.register_buffer("scale", torch.ones(2).as_subclass(Marked))
    assert not packable(module)


def test_each_stage_has_what_it_calls(family):
    one = family("svd")
    whole, pipe = one.call(), one.pipe
    own = {name: list(tensors(module).values()) for name, module in find_offloadable(pipe).items()}
    keys = {name: set(module.__dict__) for name, module in find_offloadable(pipe).items()}
    assert set(own) == {"image_encoder", "unet", "vae"}
    stages = {"image_encoder": ("encode",), "vae": ("encode", "decode"), "unet": ("denoise",)}
    offload = Offload(find_offloadable(pipe), stages, CPU)
    seen = []
    watched = (pipe.unet.conv_in, pipe.vae.decoder)
    hooks = [m.register_forward_pre_hook(lambda *_: seen.append(offload.there)) for m in watched]
    try:
        assert offload.there == ()
        assert (one.call() == whole).all()
        assert set(seen) == {("unet",), ("vae",)}
        offload.rest()
        assert offload.there == ()
        pipe.vae.encode(torch.zeros(1, 3, 32, 32))
        offload.call("image_encoder")
        assert set(offload.there) == {"vae", "image_encoder"}  # one stage calls both
    finally:
        offload.remove()
        for hook in hooks:
            hook.remove()
    for name, module in find_offloadable(pipe).items():
        assert set(module.__dict__) == keys[name]
        assert all(a is b for a, b in zip(own[name], tensors(module).values(), strict=True))
    assert (one.call() == whole).all()


def test_what_is_called_against_expectation_comes_and_nothing_leaves(family):
    pipe = family("pixart").pipe
    modules = find_offloadable(pipe)
    offload = Offload(modules, {name: () if name == "vae" else ("denoise",) for name in modules}, CPU)
    try:
        offload.call("transformer")
        offload.call("vae")
        assert set(offload.there) == {"transformer", "vae"}
        copied = copy.deepcopy(pipe.vae)
        assert copied._hf_hook is pipe.vae._hf_hook
        assert isinstance(copied._hf_hook, Summons)
    finally:
        offload.remove()


def test_weights_that_components_share_stay(family):
    pipe = share(family("pixart").pipe)
    pipe.register_modules(again=pipe.vae) if "again" in pipe.config else setattr(pipe, "_exclude_from_cpu_offload", [])
    assert "vae" in find_offloadable(pipe)
    pipe.transformer.extra = pipe.vae
    assert not {"vae", "transformer"} & find_offloadable(pipe).keys()
    del pipe.transformer.extra
