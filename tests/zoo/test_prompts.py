import pytest

from evocache.errors import ZooError
from evocache.zoo.prompts import (
    BACKGROUNDS,
    CLASSES,
    DEMO_PROMPTS,
    TEMPLATES,
    caption,
    is_held_out,
    parse,
    sample_prompts,
)


def test_vocabulary_is_large_enough_and_without_repeats():
    assert len(CLASSES) == len(set(CLASSES)) >= 150
    assert len(BACKGROUNDS) == 8


def test_parse_inverts_every_caption():
    for name in CLASSES:
        for background in BACKGROUNDS:
            for template in range(len(TEMPLATES)):
                assert parse(caption(name, background, template)) == (name, background)


def test_parse_takes_free_wording():
    assert parse("Please draw a Hot-Dog, pink!") == ("hot dog", "pink")
    assert parse("a DOG on LIGHT BLUE") == ("dog", "light blue")


@pytest.mark.parametrize("prompt", ["", "fox", "on a pink background", "foxes on a pink background"])
def test_parse_says_what_is_missing(prompt):
    with pytest.raises(ZooError, match="classes"):
        parse(prompt)


@pytest.mark.parametrize("held_out", [False, True])
def test_samples_are_distinct_reproducible_and_of_one_kind(held_out):
    prompts = sample_prompts(60, seed=1, held_out=held_out)
    assert prompts == sample_prompts(60, seed=1, held_out=held_out)
    assert prompts != sample_prompts(60, seed=2, held_out=held_out)
    assert len(set(prompts)) == 60
    assert all(is_held_out(*parse(prompt)) is held_out for prompt in prompts)


def test_every_class_and_background_is_trained_on():
    trained = [(name, ground) for name in CLASSES for ground in BACKGROUNDS if not is_held_out(name, ground)]
    assert {name for name, _ in trained} == set(CLASSES)
    assert {ground for _, ground in trained} == set(BACKGROUNDS)
    held_out = len(CLASSES) * len(BACKGROUNDS) - len(trained)
    assert 0.03 < held_out / (held_out + len(trained)) < 0.08


def test_many_samples_cover_the_classes_evenly():
    names = [parse(prompt)[0] for prompt in sample_prompts(len(CLASSES), seed=0)]
    assert sorted(names) == sorted(CLASSES)


def test_more_samples_than_combinations_repeat():
    assert len(sample_prompts(5000, seed=0)) == 5000


def test_demo_prompts():
    assert len(set(DEMO_PROMPTS)) == 16
    assert {parse(prompt)[1] for prompt in DEMO_PROMPTS} == set(BACKGROUNDS)
