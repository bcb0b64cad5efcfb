"""Features on disk come back bit by bit, or with a clear error; and no file is left, however the process ends."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading

import pytest
import torch

from evocache.errors import GenerationError
from evocache.memory.tiers.disk import DiskTier
from evocache.memory.tiers.tier import strides


@pytest.fixture
def tier(tmp_path):
    tier = DiskTier(tmp_path)
    yield tier
    tier.close()


def held(tier):
    """Makes the tier's thread wait until the returned event is set."""
    event = threading.Event()
    tier.submit(event.wait, 30)
    return event


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.bfloat16, torch.float16, torch.int8, torch.bool, torch.complex64]
)
def test_bytes_come_back_as_they_went(tier, dtype):
    tensors = [
        torch.randn(3, 5, 2).to(dtype),
        torch.randn(4, 6, 3).to(dtype).permute(2, 0, 1),
        torch.zeros(0, 3, dtype=dtype),
    ]
    parked = tier.park(tensors)
    parked.settle()
    for _ in range(2):  # it stays parked
        back, _ = parked.take()
        for a, b in zip(tensors, back, strict=True):
            assert torch.equal(a, b)
            assert (a.dtype, a.shape, a.stride()) == (b.dtype, b.shape, b.stride())


def test_gaps_in_memory_are_not_written(tier):
    wide = torch.randn(8, 10)
    part = wide[:, 2:5]
    back, _ = tier.park([part]).take()
    assert torch.equal(back[0], part)
    assert back[0].stride() == strides(part) == (3, 1)


def test_moving_does_not_wait_for_the_disk(tier):
    event = held(tier)
    parked = tier.park([torch.ones(4)])
    parked.fetch()  # asked for before it was written: still in order
    event.set()
    assert torch.equal(parked.take()[0][0], torch.ones(4))


def test_waiting_is_measured(tier):
    event = held(tier)
    parked = tier.park([torch.ones(4)])
    threading.Timer(0.05, event.set).start()
    assert parked.settle() > 0.02
    assert parked.settle() == 0.0


def test_room_is_used_again(tier):
    for i in range(5):
        parked = tier.park([torch.full((100,), float(i))])
        parked.settle()
        assert parked.take()[0][0][0] == i
        parked.drop()
    assert tier._end == 400


def test_what_is_dropped_early_disturbs_nobody(tier):
    event = held(tier)
    first = tier.park([torch.zeros(100)])
    first.drop()
    second = tier.park([torch.ones(100)])
    event.set()
    assert torch.equal(second.take()[0][0], torch.ones(100))


def test_a_damaged_file_is_an_error_not_an_image(tier):
    parked = tier.park([torch.ones(100)])
    parked.settle()
    os.pwrite(tier._file.fileno(), b"x", 40)
    with pytest.raises(GenerationError, match="other than they went"):
        parked.take()
    os.ftruncate(tier._file.fileno(), 10)
    with pytest.raises(GenerationError, match="other than they went"):
        parked.take()


def test_a_full_disk_is_said(tier, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    parked = tier.park([torch.ones(100)])
    with pytest.raises(GenerationError, match=r"No space left.*400 bytes of features.*choose another one"):
        parked.settle()
    parked.drop()


def test_messages_name_the_folder_and_what_is_in_it(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    tier = DiskTier(tmp_path / "new", "weights")
    monkeypatch.setattr(os, "pwrite", full)
    parked = tier.park([torch.ones(100)])
    with pytest.raises(GenerationError, match=r"400 bytes of weights were written to .*new.*choose another one"):
        parked.settle()
    tier.close()
    tier = DiskTier()
    with pytest.raises(GenerationError, match="set TMPDIR to another one"):
        tier.park([torch.ones(100)]).settle()
    tier.close()
    (tmp_path / "file").touch()
    with pytest.raises(GenerationError, match=r"file .*, where features were to wait"):
        DiskTier(tmp_path / "file")


def test_a_killed_process_leaves_nothing(tmp_path):
    code = (
        "import sys, time, torch\n"
        "from evocache.memory.tiers.disk import DiskTier\n"
        f"tier = DiskTier({str(tmp_path)!r})\n"
        "tier.park([torch.ones(1000)]).settle()\n"
        "print('parked', flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "parked\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert list(tmp_path.iterdir()) == []


def test_two_tiers_in_one_folder_do_not_meet(tmp_path):
    tiers = [DiskTier(tmp_path) for _ in range(2)]
    parked = [tier.park([torch.full((50,), float(i))]) for i, tier in enumerate(tiers)]
    for i, p in enumerate(parked):
        assert p.take()[0][0].tolist() == [i] * 50
    for tier in tiers:
        tier.close()
