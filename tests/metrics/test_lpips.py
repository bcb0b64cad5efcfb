"""LPIPS against numpy loops, with random weights in the files' own layout."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evocache.metrics import MetricError
from evocache.metrics.backbones import VGG16, AlexNet
from evocache.metrics.lpips import Lpips

SIZES = {"alex": 31, "vgg": 16}
NAMES = {"alex": "alexnet-owt-7be5be79.pth", "vgg": "vgg16-397923af.pth"}
STACKS = {"alex": AlexNet, "vgg": VGG16}


def weights(network: str) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Random weights as torchvision's and the lpips package's files hold them."""
    torch.manual_seed(0)
    stack = STACKS[network]()
    classifier = {**stack.state_dict(), "classifier.1.weight": torch.zeros(2, 2)}
    heads = {f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1) for i, c in enumerate(stack.channels)}
    return classifier, heads


@pytest.fixture(scope="session", params=["alex", "vgg"])
def network(request) -> str:
    return request.param


@pytest.fixture(scope="session")
def folder(network, tmp_path_factory):
    path = tmp_path_factory.mktemp(network)
    classifier, heads = weights(network)
    torch.save(classifier, path / NAMES[network])
    torch.save(heads, path / f"{network}.pth")
    return path


@pytest.fixture(scope="session")
def metric(folder) -> Lpips:
    return Lpips.load(folder)


def images(size: int, n: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, size, size + 3, 3))


def convolved(x, weight, bias, stride, padding):
    """(channels, height, width), one kernel place after the other."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    k = weight.shape[2]
    rows, columns = (1 + (s - k) // stride for s in x.shape[1:])
    out = np.zeros((len(weight), rows, columns)) + bias[:, None, None]
    for i in range(k):
        for j in range(k):
            seen = x[:, i : i + stride * rows : stride, j : j + stride * columns : stride]
            out += np.einsum("oc,chw->ohw", weight[:, :, i, j], seen)
    return out


def pooled(x, k):
    rows, columns = (1 + (s - k) // 2 for s in x.shape[1:])
    return np.max([x[:, i:, j:][:, : 2 * rows : 2, : 2 * columns : 2] for i in range(k) for j in range(k)], axis=0)


PLANS = {
    "alex": [(0, 4, 2), "read", 3, (3, 1, 2), "read", 3, (6, 1, 1), "read", (8, 1, 1), "read", (10, 1, 1), "read"],
    "vgg": [
        *[(0, 1, 1), (2, 1, 1), "read", 2, (5, 1, 1), (7, 1, 1), "read", 2, (10, 1, 1), (12, 1, 1), (14, 1, 1), "read"],
        *[2, (17, 1, 1), (19, 1, 1), (21, 1, 1), "read", 2, (24, 1, 1), (26, 1, 1), (28, 1, 1), "read"],
    ],
}
"""Layers as (key, stride, padding) with a rectifier, pools by their width, and where features are read."""


def by_hand(network: str, a: np.ndarray, b: np.ndarray) -> float:
    """The distance of two images (height, width, 3) in [0, 1], in numpy (Zhang et al. 2018, eq. 1)."""
    classifier, heads = ({k: v.double().numpy() for k, v in part.items()} for part in weights(network))

    def features(image):
        x = np.moveaxis(image * 2 - 1, 2, 0)
        x = (x - np.reshape([-0.030, -0.088, -0.188], (3, 1, 1))) / np.reshape([0.458, 0.448, 0.450], (3, 1, 1))
        for layer in PLANS[network]:
            if layer == "read":
                yield x / (np.sqrt((x**2).sum(axis=0)) + 1e-10)
            elif isinstance(layer, int):
                x = pooled(x, layer)
            else:
                key, stride, padding = layer
                kernel, bias = (classifier[f"features.{key}.{part}"] for part in ("weight", "bias"))
                x = np.maximum(convolved(x, kernel, bias, stride, padding), 0)

    return sum(
        (heads[f"lin{i}.model.1.weight"].reshape(-1, 1, 1) * (x - y) ** 2).sum(axis=0).mean()
        for i, (x, y) in enumerate(zip(features(a), features(b), strict=True))
    )


def test_equals_the_definition_in_numpy(network, metric):
    a, b = images(SIZES[network]), images(SIZES[network], seed=1)
    expected = [by_hand(network, x, y) for x, y in zip(a, b, strict=True)]
    assert min(expected) > 1e-3
    assert metric.distance(a, b) == pytest.approx(expected, rel=1e-4)


def test_identical_images_are_at_no_distance_and_order_does_not_matter(network, metric):
    a, b = images(SIZES[network], n=3), images(SIZES[network], n=3, seed=1)
    assert metric.distance(a, a).tolist() == [0.0, 0.0, 0.0]
    np.testing.assert_array_equal(metric.distance(a, b), metric.distance(b, a))
    assert metric.distance(a, b).dtype == np.float64


def test_more_change_is_further_away(network, metric):
    a, noise = images(SIZES[network]), np.random.default_rng(3).normal(size=(2, SIZES[network], SIZES[network] + 3, 3))
    near, far = (metric.distance(a, a + amount * noise) for amount in (0.02, 0.2))
    assert (near > 0).all()
    assert (near < far).all()


def test_many_images_are_compared_in_parts(metric, network):
    a, b = images(SIZES[network], n=11), images(SIZES[network], n=11, seed=1)
    each = [metric.distance(a[i : i + 1], b[i : i + 1])[0] for i in range(11)]
    assert metric.distance(a, b) == pytest.approx(each, rel=1e-5)


def test_parameters_are_as_many_as_in_the_published_networks():
    assert sum(p.numel() for p in AlexNet().parameters()) == 2_469_696
    assert sum(p.numel() for p in VGG16().parameters()) == 14_714_688


def test_what_it_cannot_compare_is_refused(network, metric):
    least = SIZES[network]
    for shape in ((1, least - 1, 64, 3), (1, 64, 64, 1)):
        with pytest.raises(MetricError, match=f"at least {least} pixels"):
            metric.distance(np.zeros(shape), np.zeros(shape))
    with pytest.raises(MetricError, match="equal shapes"):
        metric.distance(np.zeros((1, 64, 64, 3)), np.zeros((2, 64, 64, 3)))


def test_weights_that_are_not_there_are_named(tmp_path):
    with pytest.raises(MetricError, match=r"no \.pth file.*alexnet\*\.pth and alex\.pth or vgg16\*\.pth and vgg\.pth"):
        Lpips.load(tmp_path)
    torch.save({}, tmp_path / "alex.pth")
    with pytest.raises(MetricError, match=r"with alex\.pth"):
        Lpips.load(tmp_path)
    with pytest.raises(MetricError, match="no folder"):
        Lpips.load(tmp_path / "none")


def test_weights_of_something_else_are_refused(tmp_path):
    classifier, heads = weights("alex")
    torch.save(classifier, tmp_path / NAMES["alex"])
    for bad, word in (({"lin0": 1}, "Missing key"), ({**heads, "lin5.x": heads["lin0.model.1.weight"]}, "Unexpected")):
        torch.save(bad, tmp_path / "alex.pth")
        with pytest.raises(MetricError, match=word):
            Lpips.load(tmp_path)
    (tmp_path / "alex.pth").write_bytes(b"no weights")
    with pytest.raises(MetricError, match="a file of weights"):
        Lpips.load(tmp_path)
    torch.save([1], tmp_path / "alex.pth")
    with pytest.raises(MetricError, match="a list"):
        Lpips.load(tmp_path)
