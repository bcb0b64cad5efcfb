"""No request makes the server fail, and every answer is as the API is described."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

pytest.importorskip("schemathesis")

from schemathesis import GenerationMode

from tests.serve.whole.api_fuzz import Api
from tests.serve.whole.servers import Servers

EXAMPLES = 16
"""Requests of each operation; `python -m benchmarks.serve.fuzz` goes on for minutes."""

UNGUESSED = {"GET /v1/models/{name}", "GET /v1/results/{id}/{variant}"}
"""Operations whose parameters are names that are there, or signed."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with Servers() as servers:
        servers.start(tmp_path_factory.mktemp("served"))
        yield Api(servers.ready())


@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
def test_every_answer_is_described(api: Api, mode: GenerationMode):
    tried = {one.label: api.try_out(one, mode, EXAMPLES) for one in api.operations()}
    assert not {label: one.faults for label, one in tried.items() if one.faults}
    statuses = sum((one.statuses for one in tried.values()), Counter[int]())
    if mode is GenerationMode.POSITIVE:
        succeeded = {label for label, one in tried.items() if one.statuses[200]}
        assert tried.keys() - succeeded <= UNGUESSED, "requests that are allowed are never served"
    else:
        assert statuses[400] > EXAMPLES


def test_answers_to_wrong_requests_are_described_as_they_are(api: Api):
    for operation in api.operations():
        described = operation.definition.raw["responses"]
        assert {"400", "401", "404", "429", "500"} <= described.keys()
        assert "422" not in described, "what is wrong is told with 400"
