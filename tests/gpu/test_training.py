import pytest
import torch
from torch import nn

from training.graphed import Graphed, backward


def test_a_graph_adds_the_gradients_of_each_batch(device):
    """Into the same memory, and those of the batch that it is given, not of the one it was captured with."""
    if device.type != "cuda":
        pytest.skip("graphs are of a GPU")
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 1)).to(device)
    grads = torch.zeros(sum(p.numel() for p in net.parameters()), device=device)
    offset = 0
    for p in net.parameters():
        p.grad = grads[offset : offset + p.numel()].view_as(p)
        offset += p.numel()

    def loss(x, y):
        return (net(x) - y).square().mean()

    def draw():
        return torch.randn(32, 8, device=device), torch.randn(32, 1, device=device)

    graphed, plain = Graphed(loss, draw()), backward(loss)
    for _ in range(3):
        batch = draw()
        grads.zero_()
        expected = plain(*batch).item()
        wanted = grads.clone()
        grads.zero_()
        assert graphed(*batch).item() == pytest.approx(expected, rel=1e-6)
        torch.testing.assert_close(grads, wanted)
        graphed(*batch)
        torch.testing.assert_close(grads, 2 * wanted)
