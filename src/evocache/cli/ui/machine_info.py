"""Which machine and which versions a figure comes from."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from ...metrics.versions import read_versions


def describe_machine(device: str = "cpu") -> dict[str, str | int]:
    """Describe the device, its threads and the versions, by name; imports torch."""
    import torch

    named = torch.cuda.get_device_name(device) if device.startswith("cuda") else _read_processor()
    return {
        "device": named,
        "cores": count_cores(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        **read_versions(),
    }


def describe_in_a_line(facts: dict[str, str | int]) -> str:
    """Describe the machine in one line."""
    packages = ", ".join(f"{name} {facts[name]}" for name in ("evocache", "torch", "diffusers", "python"))
    return f"{facts['device']}, {facts['cores']} cores, {facts['threads']} threads, {facts['system']}; {packages}"


def count_cores() -> int:
    """Count the cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _read_processor() -> str:
    """Read the processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()
