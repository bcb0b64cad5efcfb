"""Schedules: what is computed, reused or forecast at every step. numpy only; nothing here knows torch."""

from .action import COMPUTE, MAX_ORDER, REUSE, Action, forecast
from .columns import uniform
from .component import (
    GUIDANCE,
    KINDS,
    LEAF_KINDS,
    Component,
    Tree,
    deep_depth,
    deep_id,
    guidance_id,
    span_id,
    span_range,
)
from .io.json import dumps, load, loads, save
from .schedule import Provenance, Schedule

__all__ = [
    "COMPUTE",
    "GUIDANCE",
    "KINDS",
    "LEAF_KINDS",
    "MAX_ORDER",
    "REUSE",
    "Action",
    "Component",
    "Provenance",
    "Schedule",
    "Tree",
    "deep_depth",
    "deep_id",
    "dumps",
    "forecast",
    "guidance_id",
    "load",
    "loads",
    "save",
    "span_id",
    "span_range",
    "uniform",
]
