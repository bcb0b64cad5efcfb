import numpy as np
import pytest

from evocache.zoo.motions import FRAMES, MOTIONS, STILL
from tests.training.glyphs import centres, pointer, square
from training import data
from training.moving import KINDS, SMALLEST, TRAVEL, poses, render, transform

BLACK = np.zeros(3, np.float32)


def video(glyph, motion, seed=0):
    return render(glyph, BLACK, motion, np.random.default_rng(seed))


def test_every_motion_with_words_is_drawn_and_none_other():
    assert (*MOTIONS, STILL) == KINDS
    with pytest.raises(ValueError, match="jumping"):
        poses("jumping", np.random.default_rng(0))


@pytest.mark.parametrize(
    ("motion", "axis", "sign"),
    [("moving left", 0, -1), ("moving right", 0, 1), ("moving up", 1, -1), ("moving down", 1, 1)],
)
def test_the_centre_of_mass_goes_where_the_caption_says(motion, axis, sign):
    found = centres(video(square(), motion))
    steps = np.diff(found[:, axis]) * sign
    assert found.shape == (FRAMES, 2)
    assert (steps > 0.8 * 2 * TRAVEL / (FRAMES - 1)).all()
    assert (steps < 1.1 * 2 * TRAVEL / (FRAMES - 1)).all()
    assert np.abs(np.diff(found[:, 1 - axis])).max() < 0.05


@pytest.mark.parametrize(("motion", "sign"), [("turning clockwise", 1), ("turning counterclockwise", -1)])
def test_it_turns_the_way_that_the_caption_says(motion, sign):
    right, down = centres(video(pointer(), motion)).T
    # Of a hand that points up at noon: clockwise is from left to right.
    angle = np.arctan2(right, -down) * sign
    assert (np.diff(angle) > 0.2).all()
    assert angle[0] < -0.8
    assert angle[-1] > 0.8


def test_it_grows_and_shrinks():
    for motion, way in (("growing", 1), ("shrinking", -1)):
        mass = video(square(), motion).sum((1, 2, 3))[::way]
        assert (np.diff(mass) > 0).all()
        # Area goes with the square of the size, of which a tenth may be missing.
        assert SMALLEST**2 * 0.9 < mass[0] / mass[-1] < SMALLEST**1.6


@pytest.mark.parametrize("motion", [motion for motion in MOTIONS if motion not in ("growing", "shrinking")])
def test_nothing_is_cut_off_at_the_border(motion):
    for seed in range(10):
        mass = video(square(), motion, seed).sum((1, 2, 3))
        assert mass.max() / mass.min() < 1.005


def test_still_frames_are_equal_and_those_of_a_picture():
    rng = np.random.default_rng(3)
    flip = rng.random() < 0.5
    right, down = poses(STILL, rng)[0, 2:].astype(int)
    expected = data.compose(pointer()[None], BLACK[None], np.array([flip]), np.array([[down, right]]))
    np.testing.assert_array_equal(video(pointer(), STILL, seed=3), np.repeat(expected, FRAMES, 0))


def test_the_upright_pose_is_the_glyph_itself():
    pose = np.array([[1, 0, 0, 0]], np.float32)
    # Samples between the pixels blur an edge by a quarter of a pixel, not more.
    assert np.abs(transform(square()[None], pose)[0] - square()).mean() < 0.03
