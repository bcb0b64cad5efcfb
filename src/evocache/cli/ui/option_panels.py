"""Where help shows each option: a panel by what it is about, the same in all commands."""

from __future__ import annotations

from collections.abc import Mapping

CONTENT, SCHEDULE, SEARCH, MACHINE, OUTPUT = "Content", "Schedule and memory", "Search", "Model and machine", "Output"

_NAMES: Mapping[str, str] = {
    CONTENT: "prompt prompts held_out count limit seed steps guidance height width frames image mask set_ batch",
    SCHEDULE: "schedule speedup min_quality memory storage offload film",
    SEARCH: "time generations method objective quality reward least_steps start",
    MACHINE: "model device dtype workers ray replicas cpus gpus",
    OUTPUT: "out_ as_json png plot depth stages detail to force video_format fps",
}

PANELS: Mapping[str, str] = {name: panel for panel, names in _NAMES.items() for name in names.split()}
"""Panels by the names of the parameters."""
