"""The options of an evolution: one place for their defaults and checks, for the API and the command line."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields, replace
from functools import partial
from typing import Any

import pytest

from evocache import evolve
from evocache.cli.commands import evolve as command
from evocache.errors import AmountError, PolicyError, RunError
from evocache.policies import parse
from evocache.search.config import EvolveConfig, EvolveOptions
from evocache.search.optimise.settings import Settings
from tests.search.trees import stack

SCHEDULE = parse("fora:2").schedule(stack(), 6)


def test_the_options_of_evolve_are_the_fields() -> None:
    names = [field.name for field in fields(EvolveConfig)]
    assert list(EvolveOptions.__annotations__) == names
    assert {field.name: field.type for field in fields(EvolveConfig)} == {
        name: getattr(hint, "__forward_arg__", hint) for name, hint in EvolveOptions.__annotations__.items()
    }
    documented = inspect.getdoc(evolve)
    assert documented is not None
    assert [name for name in names if f"    {name}: " not in documented] == []


def test_the_command_line_has_their_defaults() -> None:
    parameters = inspect.signature(command.evolve).parameters
    for name in ("generations", "seed"):
        assert parameters[name].default == getattr(EvolveConfig, name)
    assert command.parse_duration(parameters["time"].default) == EvolveConfig.budget_seconds
    for name, field in (("memory", "max_memory"), ("least_steps", "least_steps"), ("ray", "ray")):
        assert parameters[name].default is getattr(EvolveConfig, field) is None


def test_the_command_line_knows_them_without_loading_anything() -> None:
    code = "import sys\nfrom evocache.search.config import EvolveConfig\nEvolveConfig.batch\n"
    code += "print(sorted({'torch', 'numpy', 'pymoo'} & {*sys.modules}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_what_is_given_is_kept_in_one_form() -> None:
    given = EvolveConfig(
        held_out=(text for text in ("a", "b")),  # type: ignore[arg-type]
        objectives=["latency", "macs", "latency"],
        start=[SCHEDULE],
        max_memory="2GB",
        storages=["bf16"],
    )
    assert (given.held_out, given.objectives, given.start) == (("a", "b"), ("latency", "macs"), (SCHEDULE,))
    assert (given.most_bytes, given.storages, given.call) == (2 * 10**9, ("bf16",), {})
    assert replace(given) == given
    assert replace(EvolveConfig(max_memory="200B"), batch=2).most_bytes == 200
    assert EvolveConfig().names == ("latency",)
    with pytest.raises(FrozenInstanceError):
        given.batch = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("objectives", "minimised", "within"),
    [
        (None, ("latency", "peak"), 200),
        (("memory",), ("memory",), None),
        (("macs", "peak"), ("macs", "peak"), 200),
        (("latency", "memory"), ("latency", "memory"), None),
    ],
)
def test_a_limit_of_memory_is_an_objective(
    objectives: tuple[str, ...] | None, minimised: tuple[str, ...], within: int | None
) -> None:
    found = EvolveConfig(objectives=objectives, max_memory="200B")
    assert (found.minimised, found.within) == (minimised, within)
    assert found.limits == {minimised[-1]: 200.0}
    free = EvolveConfig(objectives=objectives)
    assert (free.minimised, free.within, free.limits) == (objectives or ("latency",), None, {})


def test_settings_of_the_search_follow_from_prompts_generations_and_seed() -> None:
    assert EvolveConfig(generations=3, seed=2).search_settings(16) == Settings(prompts=16, generations=3, seed=2)
    assert EvolveConfig().search_settings(3).rungs == ()
    own = Settings(prompts=8, rungs=(2, 6), seed=5)
    assert EvolveConfig(settings=own).search_settings(12) == own
    assert EvolveConfig(settings=own).search_settings(5) == replace(own, prompts=5, rungs=(2,))


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"batch": 0}, RunError, "batch"),
    ({"workers": "auto"}, RunError, "workers"),
    ({"budget_seconds": -1}, RunError, "budget_seconds"),
    ({"least_steps": 1}, RunError, "least_steps"),
    ({"generations": -1}, RunError, "generations"),
    ({"seed": 2.5}, RunError, "seed"),
    ({"objectives": ["beauty"]}, RunError, "latency, macs, memory, peak"),
    ({"objectives": "latency"}, RunError, "objectives"),
    ({"storages": ["int4"]}, PolicyError, "int4"),
    ({"max_memory": "little"}, AmountError, "bytes"),
    ({"start": ["fora:2"]}, RunError, "schedules and points"),
    ({"call": ["steps"]}, RunError, "by name"),
    ({"held_out": "a cat"}, RunError, "held_out"),
    ({"settings": Settings(), "seed": 3}, RunError, "one of them"),
]


@pytest.mark.parametrize(("wrong", "kind", "message"), WRONG, ids=range(len(WRONG)))
def test_what_cannot_be_used_is_refused_by_the_config_and_by_evolve(
    wrong: dict[str, Any], kind: type[Exception], message: str
) -> None:
    usual, begin = EvolveConfig(), partial(evolve, None, ["a"])
    for use in (EvolveConfig, partial(replace, usual), begin, partial(begin, config=usual)):
        with pytest.raises(kind, match=message):
            use(**wrong)
    with pytest.raises(TypeError, match="bugdet"):
        evolve(None, ["a"], bugdet=3)  # type: ignore[call-arg]
