import argparse

import pytest
import torch
from torch import nn

from training.loop import fit, options, restore
from training.muon import MuonAdamW, is_matrix, order, shape


def arguments(folder, minutes, **changes) -> argparse.Namespace:
    parser = options("test", minutes=1, batch=4, checkpoint="test.pt")
    found = parser.parse_args(["--minutes", str(minutes), "--work", str(folder), "--no-muon"])
    return argparse.Namespace(**{**vars(found), **changes})


class Line(nn.Module):
    """y = a x, with a frozen part and a count of the batches it has seen."""

    def __init__(self):
        super().__init__()
        self.slope, self.frozen = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.ones(1), requires_grad=False)
        self.register_buffer("seen", torch.zeros(()))


def train(model, args, steps):
    """`steps` batches, then as many as the clock allows: one."""

    def draw(rng):
        return (torch.from_numpy(rng.normal(size=8)).float(),)

    def loss(x):
        model.seen += 1
        if model.seen >= steps:
            args.clock.now = 1e6
        return (model.slope * x - 3 * x).square().mean()

    fit(0, 1, args, (model,), draw, loss)


@pytest.fixture
def clock(monkeypatch):
    """Time that stands still until it is told to pass."""

    class Stopped:
        now = 0.0

        def monotonic(self):
            return self.now

    stopped = Stopped()
    monkeypatch.setattr("training.distributed.time", stopped)
    return stopped


def test_it_ends_with_its_minutes_and_goes_on_with_more(tmp_path, clock):
    model = Line()
    train(model, arguments(tmp_path, 1, clock=clock, rate=0.1), steps=60)
    stored = torch.load(tmp_path / "test.pt")
    assert (stored["step"], stored["samples"]) == (60, 480)
    assert "CPU cores" in stored["hardware"]  # where it was trained, not where its weights are measured
    assert 1 < model.slope.item() < 3.5
    assert model.frozen.item() == 1

    again = Line()
    train(again, arguments(tmp_path, 1, clock=clock, rate=0.1), steps=60)
    assert again.seen == 60  # as stored: nothing was left to do
    assert again.slope.item() == model.slope.item()

    more = 2 * stored["seconds"] / 60
    clock.now = 0.0
    train(again, arguments(tmp_path, more, clock=clock, rate=0.1), steps=100)
    assert torch.load(tmp_path / "test.pt")["step"] == 100


def test_the_last_and_the_averaged_weights_come_back(tmp_path, clock):
    model = Line()
    train(model, arguments(tmp_path, 1, clock=clock, rate=0.1), steps=30)
    last, average = Line(), Line()
    facts = restore((last,), tmp_path / "test.pt", averaged=False)
    restore((average,), tmp_path / "test.pt")
    assert facts["step"] == 30
    assert last.slope.item() == model.slope.item()
    assert last.seen == 30
    assert 0 < average.slope.item() < last.slope.item()
    assert not last.slope.requires_grad


def test_convolutions_are_matrices_of_patches_for_muon():
    from training.distributed import FlatModel

    model = nn.Module()
    model.resnets = nn.ModuleList([nn.Conv2d(4, 8, 3)])
    model.head = nn.Conv2d(8, 2, 1)
    model.off = nn.Linear(2, 2).requires_grad_(False)
    parameters, matrices = order((model,), muon=True)
    assert matrices == 1
    assert shape(parameters[0]) == (8, 36)
    assert len(parameters) == 4
    assert not is_matrix("head.weight", model.head.weight)
    flat = FlatModel(parameters, 1)
    before = model.resnets[0].weight.detach().clone()
    torch.manual_seed(0)
    flat.grads.normal_()
    MuonAdamW(flat, matrices, 0).step(1.0, 0.0)
    moved = (before - model.resnets[0].weight).detach().reshape(8, 36)
    # An update of Muon is nearly orthogonal: all its singular values are alike.
    values = torch.linalg.svdvals(moved)
    assert values.max() / values.min() < 2.5
