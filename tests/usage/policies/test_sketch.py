"""The sketch counts what was asked for lately: never too low, seldom too high, halved in time."""

import numpy as np
import pytest

from evocache.usage.policies.sketch import FrequencySketch


def filled(counts, seed=0, entries=2000):
    """A sketch of keys that were asked for so often each."""
    sketch = FrequencySketch(seed)
    for key, count in counts.items():
        for _ in range(count):
            sketch.record(key, entries)
    return sketch


@pytest.mark.parametrize("spread", [1, 2**32, 0x9E3779B97F4A7C15])
def test_counts_are_never_too_low_and_seldom_too_high(spread):
    """Whether keys are small numbers, end in zeros, or are digests."""
    random = np.random.default_rng(0)
    counts = {key * spread % 2**64: int(random.integers(1, 16)) for key in range(2000)}
    sketch = filled(counts)
    errors = [sketch.estimate(key) - count for key, count in counts.items()]
    assert min(errors) >= 0
    assert np.mean(errors) < 0.2
    strangers = [sketch.estimate(key * spread % 2**64) for key in range(5000, 7000)]
    assert np.mean(strangers) < 0.2


def test_a_key_is_counted_sixteen_times_at_most():
    assert filled({7: 100}).estimate(7) == 16  # 15, and 1 of the doorkeeper


def test_counts_are_halved_at_the_end_of_a_sample():
    sketch = FrequencySketch()
    for _ in range(9):
        sketch.record(7, 100)
    for key in range(100, 100 + 990):
        sketch.record(key, 100)
    assert sketch.estimate(7) == 9
    sketch.record(5, 100)  # the 1000th of 10 x 100: 8 counted become 4, and the doorkeeper is emptied
    assert sketch.estimate(7) == 4
    for key in range(2000, 2000 + 499):
        sketch.record(key, 100)
    assert sketch.estimate(7) == 4
    sketch.record(6, 100)
    assert sketch.estimate(7) == 2


def test_counts_stay_when_the_sketch_grows():
    sketch = filled({key: 1 + key % 9 for key in range(60)}, entries=64)
    before = [sketch.estimate(key) for key in range(200)]
    sketch.record(10**6, 5000)
    sketch.record(10**6, 5000)
    assert [sketch.estimate(key) for key in range(200)] == before


def test_a_key_is_forgotten():
    sketch = filled({1: 9, 2: 5})
    sketch.forget(1)
    sketch.forget(3)
    assert (sketch.estimate(1), sketch.estimate(2), sketch.estimate(3)) == (0, 5, 0)


def test_places_depend_on_the_seed():
    """Keys that collide under one seed do not under another."""
    counts = dict.fromkeys(range(3000), 3)
    sketches = [filled(counts, seed, entries=64) for seed in (0, 1)]
    high = [{key for key in range(4000, 9000) if sketch.estimate(key)} for sketch in sketches]
    assert 0 < len(high[0] & high[1]) < min(map(len, high))
