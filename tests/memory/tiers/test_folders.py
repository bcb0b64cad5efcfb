"""Where files go that memory has no room for."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from evocache.memory.tiers import folders
from evocache.memory.tiers.folders import choose_folder, is_in_memory


def write_mounts(path: Path, device: int, system: str) -> Path:
    """A list of what is mounted, in which a device has a file system."""
    line = f"31 23 {os.major(device)}:{os.minor(device)} / /tmp rw shared:7 - {system} none rw,size=8G"
    path.write_text(f"27 1 0:9999 / / rw - ramfs none rw\n{line}\n")
    return path


@pytest.mark.parametrize(("system", "found"), [("tmpfs", True), ("ramfs", True), ("ext4", False)])
def test_a_folder_in_memory_is_told_by_its_file_system(tmp_path: Path, system: str, found: bool) -> None:
    mounts = write_mounts(tmp_path / "mounts", tmp_path.stat().st_dev, system)
    assert is_in_memory(tmp_path, mounts) is found
    assert not is_in_memory(tmp_path / "none", mounts)
    assert not is_in_memory(tmp_path, tmp_path / "none")


def test_temporary_files_in_memory_are_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lasting = tmp_path / "lasting"
    lasting.mkdir()
    monkeypatch.setattr(folders, "LASTING", str(lasting))
    usual, memory = tempfile.gettempdir(), {tempfile.gettempdir()}
    monkeypatch.setattr(folders, "is_in_memory", lambda folder: str(folder) in memory)
    assert choose_folder() == str(lasting)
    memory.add(str(lasting))
    assert choose_folder() == usual
    memory.clear()
    assert choose_folder() == usual
