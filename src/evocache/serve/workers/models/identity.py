"""The fingerprint of a pipeline: what its outputs depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ..task import Value

KEPT = 16
"""Hexadecimal digits of a fingerprint."""


def fingerprint(described: Mapping[str, Any], defaults: Mapping[str, Value]) -> str:
    """Return a digest of what a pipeline's outputs depend on beside what a request says.

    That is its class, its settings and solver, each component's class, configuration, number type and weights, and what
    it takes where a request says nothing. It is the same in every process, and wherever the files lie.

    Args:
        described: the pipeline without LoRAs, as `describe_pipeline` describes it.
        defaults: of its call.
    """
    said = json.dumps([described, dict(defaults)], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:KEPT]
