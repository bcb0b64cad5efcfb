"""How many processes evaluate."""

from types import SimpleNamespace

import pytest
import torch

from evocache.cli.inputs import worker_count
from evocache.errors import InputError

SMALL = SimpleNamespace(device="cpu", components={"net": torch.nn.Linear(1000, 1000), "tokenizer": None})
GIGABYTES = 1 << 30


@pytest.fixture
def machine(monkeypatch):
    """`machine(cores=8, free=16)`: a machine with so many cores and GiB of free memory."""

    def build(cores: int, free: float | None) -> None:
        monkeypatch.setattr(worker_count, "count_cores", lambda: cores)
        monkeypatch.setattr(worker_count, "_read_free_memory", lambda: None if free is None else int(free * GIGABYTES))

    return build


def test_a_number_is_taken_as_it_is(machine):
    machine(2, 1)
    assert worker_count.count_workers("7", SMALL, 10.0, 24) == 7


@pytest.mark.parametrize("wrong", ["0", "-1", "many", "1.5", ""])
def test_what_is_neither_number_nor_auto_is_refused(wrong):
    with pytest.raises(InputError, match="auto"):
        worker_count.count_workers(wrong, SMALL, None, 24)


@pytest.mark.parametrize(
    ("cores", "free", "most", "budget", "expected"),
    [
        (8, 64, 24, 600, 8),  # one a core
        (64, 512, 24, 600, 24),  # no more than there is to do
        (8, 4, 24, 600, 3),  # no more than fit
        (8, 0.5, 24, 600, 1),
        (8, None, 24, None, 8),
        (8, 64, 24, 30, 1),  # over before they have started
    ],
)
def test_auto_is_what_the_machine_has_room_for(machine, cores, free, most, budget, expected):
    machine(cores, free)
    assert worker_count.count_workers("auto", SMALL, budget, most) == expected


def test_a_large_pipeline_leaves_room_for_fewer(machine):
    machine(8, 64)
    with torch.device("meta"):
        large = SimpleNamespace(device="cpu", components={"net": torch.nn.Linear(50_000, 50_000)})
    assert worker_count.count_workers("auto", large, None, 24) == 2


def test_one_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert worker_count.count_room(SimpleNamespace(device=torch.device("cuda", 0), components={})) == 4
