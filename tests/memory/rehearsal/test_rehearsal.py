"""A rehearsal follows code that asks what device it runs on, and leaves nothing behind."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import nn
from torch.overrides import _get_current_function_mode_stack
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from evocache.memory.cudnn_workspace import cudnn
from evocache.memory.ledger import Ledger
from evocache.memory.rehearsal.fake_operations import Fakes
from evocache.memory.rehearsal.rehearsal import rehearse, shadow

SIZE = 64 * 64 * 4
"""Bytes of a square of floats."""


class Plain(nn.Module):
    def forward(self, x):
        return self.products(x).relu().sum()

    def products(self, x):
        return x @ x + 1


class Cast(Plain):
    """As Mochi's rotary positions and others: the region is for the device that the tensor is on."""

    def products(self, x):
        with torch.autocast(x.device.type, enabled=False):
            return super().products(x)


class Placed(Cast):
    """Takes devices from one tensor for another in every way."""

    def products(self, x):
        y = torch.ones(64, 64, device=x.device) + torch.arange(64, device=torch.device(x.device)).to(x.device)
        assert y.is_meta
        assert y.device == x.device
        assert y.device.index is None
        assert y.to(x).is_meta
        assert x.new_empty(3, device=y.device).is_meta
        return super().products(x)


class Masked(Plain):
    """As language models do: a mask that masks nothing is left out. As Mochi does: words that are masked, too."""

    def products(self, x):
        mask = x[0] > 0
        if not mask.all():
            x = x * mask
        if mask.sum() == mask.numel():
            raise AssertionError
        (rows,) = mask.nonzero(as_tuple=True)
        return super().products(x[torch.nonzero(mask, as_tuple=False).flatten()][rows])


class Sorted(Plain):
    """As HunyuanImage does: what a mask selects first, then what it leaves out. As GLM-Image does: some are set."""

    def products(self, x):
        mask = x[0] > 0
        padding = torch.logical_not(mask)
        x = torch.cat([x[mask], x[~mask]])
        x[:, mask] = torch.cat([x[:, ~padding], x[:, padding]], 1)
        x[x > 0] *= 0.5
        assert x[(x > 0).bitwise_not()].numel() + x[~~(x > 0)].numel() == 64 * 64
        return super().products(x)


class Routed(Plain):
    """As mixtures of experts do: tokens are sorted by expert, and each runs on its own."""

    def products(self, x):
        expert = x.argmax(1)
        ends = expert.bincount(minlength=4).cpu().numpy().cumsum(0).tolist()
        x = x[expert.argsort()]
        parts = [x[begin:end] @ x.T + 1 for begin, end in zip([0, *ends[:-1]], ends, strict=True)]
        return torch.cat(parts)


class Sized(Plain):
    """As HiDream does: sizes are put into a tensor, and read back. As Nucleus does: a list of them."""

    def products(self, x):
        sizes = torch.tensor([[8, 8]], dtype=torch.int64, device=x.device).repeat(2, 1)
        sizes[1] += 56
        height, width = sizes[0]
        parts = torch.full((4,), 16, device=x.device).tolist()
        assert x[: height * width].shape == x.shape
        assert [len(part) for part in x.split(parts)] == [16] * 4
        return super().products(x[: sizes[1].min(), : int(sizes[1, 0])])


class Unsized(Plain):
    """A size that depends on what is given."""

    def products(self, x):
        return super().products(x[: (x[0] > 0).sum()])


class Counted(Plain):
    """As Lumina does: words that are not masked are counted."""

    def forward(self, x, words_mask):
        counts = words_mask.sum(dim=1).tolist()
        return super().forward(x[: max(counts)])


class Joined(Plain):
    """As Framepack does: a mask of the type that is computed in is joined to another, and counted."""

    def forward(self, x, words_mask):
        mask = torch.cat([words_mask.new_ones((1, 24)), words_mask], dim=1)
        x = x[:, : mask.sum(dim=1, dtype=torch.int)[0]]
        return super().forward(x[: (mask[:, 24:] > 0.5).sum() + 24])


class Overwritten(Plain):
    """Sizes that were constants until one of them was written over."""

    def products(self, x):
        sizes = torch.tensor([64, 64], device=x.device)
        last = sizes[1]
        sizes[0] = (x[0] > 0).sum()
        return super().products(x[:last])


class Wrong(Plain):
    def products(self, x):
        return x @ x[1:]


@pytest.fixture(autouse=True)
def _no_trace():
    yield
    assert not _get_current_function_mode_stack()
    assert not _get_current_dispatch_mode_stack()
    assert torch.empty(1, device="meta").device == torch.device("meta")


def test_bytes_of_a_call():
    seen = rehearse(shadow(Plain()), (torch.ones(64, 64),), {})
    assert (seen.whole.entry, seen.whole.peak) == (SIZE, 3 * SIZE)
    assert seen.output.shape == ()


def test_code_for_the_device_of_a_tensor_is_followed():
    plain = rehearse(shadow(Plain()), (torch.ones(64, 64),), {})
    cast = rehearse(shadow(Cast()), (torch.ones(64, 64),), {})
    assert (cast.whole, cast.operations) == (plain.whole, plain.operations)
    assert cast.output.is_meta


def test_a_device_under_another_name_is_still_the_meta_device():
    seen = rehearse(shadow(Placed()), (torch.ones(64, 64),), {})
    assert seen.output.is_meta


@pytest.mark.parametrize("weights", ["cpu", "meta"])
def test_calls_of_parts_are_followed(weights):
    model = nn.Sequential(nn.Linear(64, 64), Cast(), nn.Flatten(0)).to(weights)
    double = shadow(model)
    seen = rehearse(double, (torch.ones(64, 64),), {}, [double[1]])
    (use,) = seen.uses
    assert use.module is double[1]
    assert [t.device.type for t in use.args] == ["meta"]
    assert use.extent.surge == 2 * SIZE


def test_what_values_decide_is_as_large_as_it_may_be():
    seen = rehearse(shadow(Masked()), (torch.zeros(64, 64),), {})
    assert seen.whole.peak > 4 * SIZE
    assert rehearse(shadow(nn.Identity()), (), {}, call=lambda: bool(torch.ones(1))).output is True


@pytest.mark.parametrize("weights", ["cpu", "meta"])
def test_a_mask_and_its_negation_select_the_whole(weights):
    double = shadow(nn.Sequential(nn.Linear(64, 64).to(weights), Sorted()))
    assert rehearse(double, (torch.zeros(64, 64),), {}).whole.peak >= 3 * SIZE


def test_one_expert_may_be_given_all_tokens():
    plain = rehearse(shadow(Plain()), (torch.ones(64, 64),), {})
    routed = rehearse(shadow(Routed()), (torch.zeros(64, 64),), {})
    assert routed.whole.peak >= plain.whole.peak
    assert routed.output.shape == ()


def test_sizes_that_a_call_reads_back_from_tensors_are_known():
    seen = rehearse(shadow(Sized()), (torch.zeros(64, 64),), {})
    assert seen.whole.peak >= 3 * SIZE


def test_masks_leave_nothing_out():
    plain = rehearse(shadow(Plain()), (torch.zeros(64, 64),), {})
    mask = torch.zeros(2, 64, dtype=torch.int64)
    counted = rehearse(shadow(Counted()), (torch.zeros(64, 64),), {"words_mask": mask})
    assert counted.whole.surge >= plain.whole.surge
    assert not mask.any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool])
def test_masks_of_any_type_are_counted(dtype):
    plain = rehearse(shadow(Plain()), (torch.zeros(64, 64),), {})
    mask = torch.zeros(1, 40, dtype=dtype)
    joined = rehearse(shadow(Joined()), (torch.zeros(64, 64),), {"words_mask": mask})
    assert joined.whole.surge >= plain.whole.surge
    assert not mask.any()


@pytest.mark.parametrize("module", [Unsized(), Overwritten()], ids=lambda module: type(module).__name__)
def test_sizes_that_depend_on_what_is_given_are_not(module):
    with pytest.raises(RuntimeError, match="item"):
        rehearse(shadow(module), (torch.zeros(64, 64),), {})


def test_errors_of_a_module_are_raised():
    with pytest.raises(RuntimeError, match="same reduction dim"):
        rehearse(shadow(Wrong()), (torch.ones(64, 64),), {})


def test_what_a_convolution_turns_to_have_its_channels_last_is_counted_where_it_is_asked_for():
    layer, x = nn.Conv2d(4, 8, 3, padding=1, bias=False), torch.zeros(2, 4, 16, 16)
    given, weight, made = 2 * 4 * 16 * 16 * 4, 8 * 4 * 3 * 3 * 4, 2 * 8 * 16 * 16 * 4
    double = shadow(layer)
    assert rehearse(double, (x,), {}).whole.peak == given + made
    assert rehearse(double, (x,), {}, fakes=Fakes(cudnn)).whole.peak == 2 * (given + made) + weight
    last = x.to(memory_format=torch.channels_last)
    assert rehearse(double, (last,), {}, fakes=Fakes(cudnn)).whole.peak == given + made
    by_channel = shadow(nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False))
    assert rehearse(by_channel, (x,), {}, fakes=Fakes(cudnn)).whole.peak == 2 * given
    place = shadow(nn.Conv2d(4, 8, 1, bias=False))
    assert rehearse(place, (x,), {}, fakes=Fakes(cudnn)).whole.peak == given + made
    few = shadow(nn.Conv2d(4, 3, 3, padding=1, bias=False))  # eight channels within cuDNN
    least = given + made * 3 // 8
    assert rehearse(few, (x,), {}, fakes=Fakes(cudnn)).whole.peak == least + given + weight * 3 // 8 + made


def test_what_is_alive_holds_no_ledger():
    made: list[torch.Tensor] = []
    ledger = Ledger(call=lambda func, args, kwargs: made.append(func(*args, **kwargs)) or made[-1])
    owed = [torch.zeros(3)]
    with ledger, ledger.owing(owed):
        torch.ones(5)
    assert ledger.bytes == 20
    gone = weakref.ref(ledger)
    del ledger
    gc.collect()
    assert gone() is None
    assert {t.shape for t in made} == {(5,)}
