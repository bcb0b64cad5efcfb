"""What is part of a key, and what cannot be read from one."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from evocache.serve.requests.identity import Identity
from evocache.serve.reuse.keys import APART, Keys
from evocache.serve.workers.task import Picture, Task
from tests.serve.stub_worker import INKED, STILL

KEYS = Keys(b"s" * 32)
ADA = Identity("acme", "ada")
SHOWN = {"image": Picture(b"\0" * 12, 2, 2)}
TASK = Task("gen_1", "stub", {"prompt": "a fox", "guidance_scale": 2.0}, 7, SHOWN, point=1)


def name(task: Task = TASK, who: Identity = ADA, keys: Keys = KEYS, card=STILL) -> str:
    return keys.question(task, card, who, seeded=True).name


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 8},
        {"model": "other"},
        {"arguments": {"prompt": "a hen", "guidance_scale": 2.0}},
        {"arguments": {"prompt": "a fox", "guidance_scale": 3.0}},
        {"arguments": {"prompt": "a fox"}},
        {"pictures": {}},
        {"pictures": {"image": Picture(b"\1" + b"\0" * 11, 2, 2)}},
        {"pictures": {"image": Picture(b"\0" * 12, 4, 1)}},
        {"pictures": {"mask_image": SHOWN["image"]}},
    ],
)
def test_another_request_has_another_key(change):
    assert name(replace(TASK, **change)) != name()


def test_so_have_another_owner_tenant_model_of_that_name_and_installation():
    assert name(who=Identity("acme", "ben")) != name()
    assert name(who=Identity("acme", "ada", "a user of hers")) != name()
    assert name(who=Identity("other", "ada")) != name()
    assert name(card=replace(STILL, fingerprint="0" * 16)) != name()
    assert name(keys=Keys(b"t" * 32)) != name()


def test_loras_are_part_of_it_by_their_weights_and_files():
    """Of those that act alone: what else is registered changes no key, as what is not."""
    inked = replace(TASK, loras={"ink": 0.8})
    context = {name(card=card) for card in (STILL, INKED)}
    assert context == {name()}
    found = [
        name(),
        name(inked, card=INKED),
        name(replace(TASK, loras={"ink": 0.7}), card=INKED),
        name(replace(TASK, loras={"clay": 0.8}), card=INKED),
        name(replace(TASK, loras={"ink": 0.8, "clay": 0.8}), card=INKED),
        name(inked, card=replace(INKED, loras=(replace(INKED.loras[0], fingerprint="3" * 16),))),
    ]
    assert len(set(found)) == len(found)
    assert name(replace(TASK, loras={"clay": 0.8, "ink": 0.8}), card=INKED) == found[4]
    contexts = {KEYS.question(task, INKED, ADA, seeded=True).context for task in (TASK, inked)}
    assert len(contexts) == 2
    seeds = {KEYS.seed(task, INKED, ADA) for task in (TASK, inked)}
    assert len(seeds) == 2


def test_who_asks_and_how_it_is_made_is_no_part_of_it():
    assert name(replace(TASK, id="gen_2", point=None, user="ada", owner="ada", deadline=3.0)) == name()
    own = {each.name for each in fields(Task)} - APART
    assert own == {
        "model",
        "arguments",
        "pictures",
    }  # what is added to tasks is a part of keys, unless it is left out: LoRAs are, by their files


def test_owners_of_a_tenant_share_only_where_that_is_switched_on():
    shared = Keys(b"s" * 32, within_tenant=True)
    assert name(keys=shared, who=Identity("acme", "ben")) == name(keys=shared)
    assert name(keys=shared, who=Identity("other", "ada")) != name(keys=shared)


def test_nothing_of_the_prompt_is_in_what_is_kept():
    question = KEYS.question(TASK, STILL, ADA, seeded=True)
    kept = [question.name, question.asked.hex(), question.group, question.context, repr(question.name)]
    assert not any("fox" in each or b"a fox".hex() in each for each in kept)
    other = KEYS.question(replace(TASK, arguments={**TASK.arguments, "prompt": "a hen"}), STILL, ADA, seeded=True)
    assert other.context == question.context  # which says nothing of it, not as a digest either
    assert other.group != question.group


def test_without_a_seed_the_question_is_one_whatever_is_drawn():
    first, second = (KEYS.question(replace(TASK, seed=seed), STILL, ADA, seeded=False) for seed in (1, 2))
    assert first.asked == second.asked
    assert first.name != second.name
    assert KEYS.question(TASK, STILL, ADA, seeded=False, at=1).asked != first.asked
    assert KEYS.question(TASK, STILL, ADA, seeded=True).asked != first.asked


def test_a_seed_of_a_request_is_its_own():
    assert KEYS.seed(TASK, STILL, ADA) == KEYS.seed(replace(TASK, seed=3), STILL, ADA)
    assert KEYS.seed(TASK, STILL, ADA) != KEYS.seed(TASK, STILL, Identity("acme", "ben"))
