import numpy as np
import pytest

from evocache.errors import ZooError
from evocache.zoo.judge import FEATURES
from evocache.zoo.prompts import BACKGROUNDS, CLASSES


def test_knows_the_vocabulary(judge):
    assert judge.classes == CLASSES
    assert judge.backgrounds == tuple(BACKGROUNDS)


def test_recognises_real_renderings(judge, renderings):
    images, prompts = renderings
    score = judge.score(images, prompts)
    assert score.count == len(prompts)
    assert score.top1 >= 0.95
    assert score.background >= 0.95


def test_does_not_accept_wrong_prompts(judge, renderings):
    images, prompts = renderings
    assert judge.score(images, prompts[1:] + prompts[:1]).top1 <= 0.05


def test_accepts_other_sizes(judge, renderings):
    images, prompts = renderings
    assert judge.score(images.repeat(2, axis=1).repeat(2, axis=2), prompts) == judge.score(images, prompts)


def test_features(judge, renderings):
    images, _ = renderings
    features = judge.features(images)
    assert features.shape == (len(images), FEATURES)
    assert np.isfinite(features).all()


@pytest.mark.parametrize(("shape", "prompts"), [((2, 3, 48, 48), 2), ((2, 48, 48, 3), 1), ((0, 48, 48, 3), 0)])
def test_errors(judge, shape, prompts):
    with pytest.raises(ZooError):
        judge.score(np.zeros(shape, np.float32), ["fox on a pink background"] * prompts)
