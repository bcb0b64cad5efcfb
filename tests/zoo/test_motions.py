from collections import Counter

import pytest

from evocache.errors import ZooError
from evocache.zoo import motions, prompts
from evocache.zoo.motions import MOTIONS, STILL, caption, parse, sample_prompts
from evocache.zoo.prompts import BACKGROUNDS, CLASSES, TEMPLATES, is_held_out


def test_parse_inverts_every_caption():
    for name in CLASSES:
        for motion in (*MOTIONS, STILL):
            for template in range(len(TEMPLATES)):
                text = caption(name, "light blue", motion, template)
                assert parse(text) == motion
                assert prompts.parse(text) == (name, "light blue")


def test_a_caption_without_motion_is_that_of_the_picture():
    assert caption("fox", "navy", STILL) == prompts.caption("fox", "navy")
    assert caption("fox", "navy", "growing") == "fox on a navy background growing"


def test_parse_takes_free_wording():
    assert parse("a dog that goes LEFT, on pink") == "moving left"
    assert parse("a dog on pink") == STILL


def test_parse_refuses_two_motions_and_names_them():
    with pytest.raises(ZooError, match="moving left and growing"):
        parse("fox on a pink background moving left and growing")


def test_parse_needs_a_class():
    with pytest.raises(ZooError, match="classes"):
        parse("moving left")


@pytest.mark.parametrize("held_out", [False, True])
def test_samples_name_every_motion_evenly(held_out):
    drawn = sample_prompts(64, seed=1, held_out=held_out)
    assert drawn == sample_prompts(64, seed=1, held_out=held_out)
    assert drawn != sample_prompts(64, seed=2, held_out=held_out)
    assert Counter(map(parse, drawn)) == dict.fromkeys(MOTIONS, 8)
    assert all(is_held_out(*prompts.parse(text)) is held_out for text in drawn)


def test_demo_prompts():
    assert [parse(text) for text in motions.DEMO_PROMPTS] == list(MOTIONS)
    assert {prompts.parse(text)[1] for text in motions.DEMO_PROMPTS} == set(BACKGROUNDS)
