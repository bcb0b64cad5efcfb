"""Requests that a description of the API allows, and others; and what must hold of every answer."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from PIL import Image
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

MADE = 10
"""Videos, or pictures in the background, that requests may mean."""

PROMISING = {"/v1/images": "/v1/images/generations"}
"""Where those are asked for that are looked at elsewhere."""

FREE: dict[str, Any] = {"database": None, "deadline": None}

PICTURES = "image", "mask", "input_reference"
"""Fields of forms that are files."""


@dataclass
class Tried:
    """What became of requests of one operation.

    Attributes:
        statuses: of answers, how often.
        faults: what was wrong, each with a request that shows it.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)


class Api:
    """The API of a server.

    Args:
        address: of the server.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
        self._picture = _png()

    def operations(self) -> list[APIOperation]:
        """All operations, in the order in which they are described."""
        return [found.ok() for found in self._schema.get_all_operations()]

    def try_out(self, operation: APIOperation, mode: GenerationMode, examples: int, number: int = 0) -> Tried:
        """Send requests of an operation, and check each answer: no fault of the server, a status, a type and a body
        that are described.

        Some of those that the description allows mean something that is there, or bring a picture that can be read.

        Args:
            operation: that is asked for.
            mode: whether the description allows the requests.
            examples: how many requests.
            number: of the draw.
        """
        tried = Tried()
        made = self._promise(operation.path.partition("/{id}")[0]) if "{id}" in operation.path else []

        @seed(number)
        @settings(
            max_examples=examples,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=HealthCheck,
        )
        @given(operation.as_strategy(generation_mode=mode), st.integers(0, 2 * MADE - 1))
        def ask(case: Case, choice: int) -> None:
            if made and choice < MADE:
                case.path_parameters["id"] = made[choice]
            if mode is GenerationMode.POSITIVE and isinstance(case.body, dict) and choice < MADE:
                case.body.update({name: self._picture for name in PICTURES if name in case.body})
            answer = case.call(base_url=self.address, timeout=60)
            tried.statuses[answer.status_code] += 1
            try:
                case.validate_response(answer, checks=CHECKS)
            except FailureGroup as group:
                for one in group.exceptions:
                    tried.faults.setdefault(f"{type(one).__name__}: {one}"[:500], case.as_curl_command())

        try:
            ask()
        except Unsatisfiable:  # it takes nothing that could be wrong
            assert mode is GenerationMode.NEGATIVE
        return tried

    def _promise(self, path: str) -> list[str]:
        """Ask for videos, or for pictures in the background; return their ids."""
        path = PROMISING.get(path, "/v1/videos")
        with httpx.Client(base_url=self.address) as client:
            bodies = [{"prompt": f"fox {number}"} for number in range(MADE)]
            if path != "/v1/videos":
                bodies = [{**body, "background": True} for body in bodies]
            return [client.post(path, json=body).raise_for_status().json()["id"] for body in bodies]


def _png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 8), "navy").save(file, "png")
    return file.getvalue()
