"""LoRAs and their fronts, as servers are told them."""

from __future__ import annotations

import pytest

from evocache.cli.inputs.served_models import read_fronts, read_loras
from evocache.errors import InputError
from evocache.serve.workers.worker import LoraSource

ONE, TWO = ["zoo:emoji"], ["zoo:emoji", "mine"]


def test_they_are_named_by_model_and_name() -> None:
    given = ["zoo:emoji:ink=/a/ink.safetensors", "mine:ink@0.8=a=b@c", "mine:clay@-1=clay"]
    assert read_loras(given, TWO) == {
        "zoo:emoji": {"ink": LoraSource("/a/ink.safetensors")},
        "mine": {"ink": LoraSource("a=b@c", 0.8), "clay": LoraSource("clay", -1.0)},
    }
    assert read_loras(["ink=x"], ONE) == read_loras(["zoo:emoji:ink=x"], ONE) == {"zoo:emoji": {"ink": LoraSource("x")}}
    assert read_loras(None, ONE) == {}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (["ink"], "MODEL:NAME=PATH"),
        (["ink=x"], "MODEL:NAME=PATH"),
        (["mine:ink="], "MODEL:NAME=PATH"),
        (["mine:@1=x"], "MODEL:NAME=PATH"),
        (["other:ink=x"], "one for zoo:emoji, mine"),
        (["mine:ink=x", "mine:ink=y"], "two LoRAs called 'ink'"),
        (["mine:ink@much=x"], "a number as its weight"),
        (["mine:ink@inf=x"], "a number as its weight"),
    ],
)
def test_what_is_none_is_refused(given: list[str], text: str) -> None:
    with pytest.raises(InputError, match=text):
        read_loras(given, TWO)


def test_fronts_of_loras() -> None:
    loras = read_loras(["mine:ink=x"], TWO)
    assert read_fronts(["mine:ink=a", "mine=b"], TWO, loras) == {"mine:ink": "a", "mine": "b"}
    one = read_loras(["ink=x"], ONE)
    assert read_fronts(["ink=a", "b"], ONE, one) == {"zoo:emoji:ink": "a", "zoo:emoji": "b"}
    with pytest.raises(InputError, match="one for zoo:emoji, mine, mine:ink"):
        read_fronts(["mine:clay=a"], TWO, loras)
