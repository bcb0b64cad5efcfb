"""What is proven is not what was searched, or it is said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import evocache
from evocache.errors import RunError
from evocache.policies import parse
from evocache.validation.held_out_split import LEAST, PROMPTS, SEEDS, drop_repeats, normalise_prompt, split_prompts
from tests.search.trees import stack

MANY = [f"cat {number}" for number in range(48)]


def test_a_quarter_is_held_out_where_nothing_else_is_given() -> None:
    for count, held in ((8, 4), (16, 4), (17, 4), (20, 5), (48, 12)):
        found = split_prompts(MANY[:count])
        assert (found.kind, len(found.proven), len(found.searched)) == (PROMPTS, held, count - held)
    assert split_prompts(MANY[:16]).proven == ("cat 2", "cat 6", "cat 10", "cat 14")  # a bit of everything


def test_too_few_prompts_to_split_are_proven_with_other_seeds() -> None:
    for count in range(1, 8):
        found = split_prompts(MANY[:count])
        assert (found.kind, found.proven, found.searched) == (SEEDS, tuple(MANY[:count]), tuple(MANY[:count]))
    assert split_prompts(["a cat", "A  cat", "a dog"] * 4).kind == SEEDS  # two prompts, however often they come


def test_what_is_beyond_those_searched_is_held_out() -> None:
    found = split_prompts(MANY, most=16)
    assert (found.searched, found.proven) == (tuple(MANY[:16]), tuple(MANY[16:]))
    assert split_prompts(MANY[:17], most=16).proven == split_prompts(MANY[:17]).proven  # one is not enough
    assert split_prompts(MANY[:5], most=3).proven == ("cat 3", "cat 4")  # but better than none


def test_held_out_prompts_that_are_searched_on_are_taken_away() -> None:
    found = split_prompts(MANY[:4], ["CAT 3", "cat\t 2 ", "a dog", "A dog", "\uff23at 1"])
    assert (found.proven, found.shared, found.kind) == (("a dog",), 3, PROMPTS)
    found = split_prompts(MANY[:16], [prompt.upper() for prompt in MANY[:16]])
    assert (len(found.proven), found.shared, found.kind) == (4, 16, PROMPTS)
    assert split_prompts(MANY[:3], MANY[:3]).kind == SEEDS


@given(
    st.lists(st.sampled_from([*MANY[:20], "Cat 3", " cat  4", "CAT 5"]), min_size=1, max_size=40),
    st.lists(st.sampled_from([*MANY[10:24], "Cat 12"]), max_size=20),
    st.none() | st.integers(1, 30),
)
def test_no_prompt_is_on_both_sides_unless_it_is_said(prompts: list[str], held: list[str], most: int | None) -> None:
    found = split_prompts(prompts, held, most)
    searched = {normalise_prompt(prompt) for prompt in found.searched}
    assert found.searched
    assert found.proven
    if found.kind == PROMPTS:
        assert not searched & {normalise_prompt(prompt) for prompt in found.proven}
        assert len(drop_repeats(found.proven)) == len(found.proven)
    else:
        assert found.proven == found.searched
        assert len(drop_repeats(prompts)) < 2 * LEAST
    again = split_prompts(found.searched, found.proven)
    if found.kind == PROMPTS:
        assert (again.searched, again.proven) == (found.searched, found.proven)


class Nothing:
    """A pipeline that must not be looked at."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was looked at before the arguments were")


SCHEDULE = parse("fora:2").schedule(stack(), 4)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"prompts": "a fox"}, r"write prompts=\['a fox'\]"),
        ({"prompts": b"a fox"}, "one text"),
        ({"prompts": None}, "a NoneType"),
        ({"prompts": 3}, "an? int"),
        ({"prompts": {"a fox", "a dog"}}, "as a set"),
        ({"prompts": {"a fox": 1}}, "as a dict"),
        ({"prompts": ["a fox", 3]}, "prompts with 3 in it"),
        ({"prompts": [["a fox"]]}, "texts alone"),
        ({"held_out": "a fox"}, r"held_out=\['a fox'\]"),
        ({"objectives": "latency"}, r"objectives=\['latency'\]"),
        ({"storages": "bf16"}, r"storages=\['bf16'\]"),
        ({"start": "runs/emoji"}, "Front.load"),
        ({"start": SCHEDULE}, r"\[schedule\]"),
        ({"start": ["fora:2"]}, "schedules and points alone"),
        ({"call": "steps"}, "by name"),
        ({"call": ["steps"]}, "by name"),
    ],
)
def test_one_text_is_no_list_of_texts(wrong: dict[str, Any], message: str, tmp_path: Any) -> None:
    with pytest.raises(RunError, match=message):
        evocache.evolve(Nothing(), **{"prompts": ["a fox"], **wrong, "out": tmp_path / "run"})
    assert not (tmp_path / "run").exists()


def test_any_list_of_texts_will_do() -> None:
    from evocache.search.evolve_arguments import check_texts

    def drawn() -> Iterator[str]:
        yield from ("a", "b")

    for texts in (drawn(), ("a", "b"), ["a", "b"]):
        assert check_texts(texts, "prompts") == ("a", "b")
