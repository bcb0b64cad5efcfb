"""The less is computed, the farther the output is from the uncached one."""

from __future__ import annotations

import pytest

from evocache import apply
from tests.runtime.support import psnr


@pytest.mark.parametrize("name", ["pixart", "sd15", "cogvideox"])
def test_fidelity_falls_with_the_interval_of_fora(family, name):
    one = family(name)
    steps = 12
    reference = one.call(steps=steps)
    found = []
    for interval in (1, 2, 3, 6):
        with apply(one.pipe, f"fora:{interval}") as handle:
            found.append(psnr(one.call(steps=steps), reference))
        assert handle.stats.executed_fraction == pytest.approx(expected_fraction(one, interval))
    assert found == sorted(found, reverse=True)
    assert found[0] == 200.0  # bit-identical
    assert len(set(found)) == 4


def expected_fraction(one, interval):
    leaves = [c for c in one.model.tree if c.is_leaf]
    cached = [c for c in leaves if c.kind != "resnet"]
    return (len(leaves) - len(cached) + len(cached) / interval) / len(leaves)
