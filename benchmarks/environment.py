"""What a result was measured with, and writing it down."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "diffusers", "transformers", "numpy", "evocache")


def environment() -> dict[str, Any]:
    """Machine, versions and commit."""
    root = Path(__file__).parent.parent
    commit = _git(root, "rev-parse", "--short", "HEAD")
    changed = _git(root, "status", "--porcelain", "src")
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2),
        "gpu": gpu,
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "commit": commit + ("+" if changed else ""),
    }


def _git(root: Path, *command: str) -> str:
    """What git says; nothing where it is not installed, or there is no repository."""
    try:
        return subprocess.run(["git", *command], cwd=root, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def _version(name: str) -> str | None:
    """A package's version; None where it is not installed, but found by its path."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    flags = info.read_text().split("flags", 1)[1].split("\n", 1)[0] if info.exists() else ""
    has = [name for name in ("avx2", "avx512f", "amx_bf16") if name in flags]
    return f"{platform.machine()} {' '.join(has)}".strip()


def write(name: str, result: dict[str, Any], *, quiet: bool = False) -> Path:
    """Write a result to `results/<name>.json`, or beside an absolute path, with the environment."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"environment": environment(), **result}, indent=1) + "\n")
    if not quiet:
        print(f"wrote {path}")
    return path
