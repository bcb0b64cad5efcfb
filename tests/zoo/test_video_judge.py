"""The judge of videos: its contract with random weights, its skill with the trained ones."""

import numpy as np
import pytest
import torch

from evocache.errors import ZooError
from evocache.zoo import video_judge as rewards
from evocache.zoo.judge import SIZE, Judge
from evocache.zoo.motions import FRAMES, MOTIONS, STILL, caption
from evocache.zoo.prompts import BACKGROUNDS, CLASSES
from evocache.zoo.video_judge import FOLDER, MotionJudge, VideoJudge

TRAINED = pytest.mark.skipif(not (FOLDER / "config.json").is_file(), reason="the judge of videos is not trained yet")


@pytest.fixture(scope="module")
def untrained():
    torch.manual_seed(0)
    judge = VideoJudge(Judge(CLASSES, tuple(BACKGROUNDS)), MotionJudge((*MOTIONS, STILL), FRAMES))
    return judge.requires_grad_(False).eval()


@pytest.fixture(scope="module")
def videos():
    return np.random.default_rng(0).random((3, FRAMES, SIZE, SIZE, 3), dtype=np.float32)


PROMPTS = [caption("fox", "pink", motion) for motion in (*MOTIONS[:2], STILL)]


def test_agreement_is_the_log_probability_of_what_was_asked(untrained, videos):
    pixels = torch.from_numpy(videos).permute(0, 1, 4, 2, 3)
    kinds, grounds, moved = untrained.log_probabilities(pixels)
    for shares in (kinds, grounds, moved):
        torch.testing.assert_close(shares.exp().sum(1), torch.ones(3, dtype=torch.float64))
    asked = [
        kinds[:, CLASSES.index("fox")],
        grounds[:, list(BACKGROUNDS).index("pink")],
        moved[range(3), [0, 1, len(MOTIONS)]],
    ]
    np.testing.assert_allclose(untrained.agreement(videos, PROMPTS), sum(asked).numpy(), rtol=1e-6)


def test_score_and_accuracy_count_what_is_most_probable(untrained, videos):
    pixels = torch.from_numpy(videos).permute(0, 1, 4, 2, 3)
    best = [(shares.argmax(1)).tolist() for shares in untrained.log_probabilities(pixels)]
    names = (*MOTIONS, STILL)
    backgrounds = tuple(BACKGROUNDS)
    right = [caption(CLASSES[k], backgrounds[g], names[m]) for k, g, m in zip(*best, strict=True)]
    score = untrained.score(videos, right)
    assert (score.object, score.background, score.motion, score.all, score.count) == (1, 1, 1, 1, 3)
    other = names[(best[2][0] + 1) % len(names)]
    wrong = [caption(CLASSES[best[0][0]], backgrounds[best[1][0]], other), *right[1:]]
    score = untrained.score(videos, wrong)
    assert (score.object, score.motion, score.all) == pytest.approx((1, 2 / 3, 2 / 3))
    assert untrained.accuracy(videos, wrong).tolist() == [0, 1, 1]


def test_other_sizes_and_numbers_of_frames_are_taken(untrained, videos):
    larger = videos.repeat(2, axis=2).repeat(2, axis=3)
    np.testing.assert_allclose(untrained.agreement(larger, PROMPTS), untrained.agreement(videos, PROMPTS), rtol=1e-5)
    slower = videos.repeat(2, axis=1)
    np.testing.assert_allclose(untrained.agreement(slower, PROMPTS), untrained.agreement(videos, PROMPTS), rtol=1e-5)


def test_features_of_frames_and_of_motion(untrained, videos):
    features = untrained.features(videos)
    assert features.shape == (3, 256)
    backwards = untrained.features(videos[:, ::-1])
    np.testing.assert_allclose(features[:, :128], backwards[:, :128], rtol=1e-4, atol=1e-5)
    assert np.abs(features[:, 128:] - backwards[:, 128:]).max() > 1e-4


@pytest.mark.parametrize(
    ("shape", "prompts"),
    [
        ((1, 8, 3, 48, 48), 1),
        ((8, 48, 48, 3), 8),
        ((2, 8, 48, 48, 3), 1),
        ((1, 1, 48, 48, 3), 1),
        ((0, 8, 48, 48, 3), 0),
    ],
)
def test_errors(untrained, shape, prompts):
    with pytest.raises(ZooError):
        untrained.score(np.zeros(shape, np.float32), ["fox on a pink background"] * prompts)


def test_without_weights_it_says_what_trains_it(tmp_path):
    with pytest.raises(ZooError, match=r"training\.video_judge"):
        VideoJudge.load(tmp_path)


@TRAINED
def test_it_sees_real_pictures_move(renderings):
    """Shrunken pictures that are shifted by whole pixels, three to the frame: no renderer is needed."""
    images, prompts = renderings
    backgrounds = images[:, :1, :1]
    steps = (np.arange(FRAMES) - (FRAMES - 1) / 2).round().astype(int) * 2
    small = images[:, ::2, ::2] * 0.5 + images[:, 1::2, 1::2] * 0.5
    videos = np.broadcast_to(backgrounds[:, None], (len(images), FRAMES, *images.shape[1:])).copy()
    for frame, step in enumerate(steps):
        videos[:, frame, 12:36, 12 + step : 36 + step] = small
    judge = VideoJudge.load()
    right = judge.score(videos, [f"{text} moving right" for text in prompts])
    left = judge.score(videos[:, ::-1], [f"{text} moving left" for text in prompts])
    assert min(right.motion, left.motion) >= 0.9
    assert right.background >= 0.9
    assert judge.score(videos, [f"{text} moving left" for text in prompts]).motion <= 0.1


@TRAINED
def test_rewards_are_one_figure_a_video(renderings):
    images, prompts = renderings
    still = np.repeat(images[:, None], FRAMES, 1)
    assert (rewards.agreement(still, prompts) <= 0).all()
    assert rewards.accuracy(still, prompts).mean() >= 0.9
