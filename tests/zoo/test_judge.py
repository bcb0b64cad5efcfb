import numpy as np
import pytest
import torch

from evocache.errors import ZooError
from evocache.zoo import judge as rewards
from evocache.zoo.judge import FEATURES
from evocache.zoo.prompts import BACKGROUNDS, CLASSES, caption, parse


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
    with pytest.raises(ZooError):
        rewards.agreement(np.zeros(shape, np.float32), ["fox on a pink background"] * prompts)


def test_agreement_is_the_log_probability_of_class_and_background(judge, renderings):
    images, prompts = renderings
    found = rewards.agreement(images[:4], prompts[:4])
    with torch.no_grad():
        heads = [logits.double() for logits in judge(torch.tensor(images[:4]).permute(0, 3, 1, 2))]
    for i, prompt in enumerate(prompts[:4]):
        kind, ground = parse(prompt)
        places = CLASSES.index(kind), list(BACKGROUNDS).index(ground)
        shares = [(logits[i].exp() / logits[i].exp().sum())[k] for logits, k in zip(heads, places, strict=True)]
        assert found[i] == pytest.approx(float(torch.log(shares[0] * shares[1])), abs=1e-6)


def test_rewards_are_one_figure_a_picture(renderings):
    images, prompts = renderings
    right, wrong = rewards.agreement(images, prompts), rewards.agreement(images, prompts[1:] + prompts[:1])
    assert right.shape == wrong.shape == (len(prompts),)
    assert (right <= 0).all()
    assert (right > wrong).mean() >= 0.95
    assert rewards.accuracy(images, prompts).mean() >= 0.9
    assert set(rewards.accuracy(images, prompts)) <= {0.0, 1.0}


def test_accuracy_asks_for_class_and_background(judge, renderings):
    images, prompts = renderings
    hit = int(np.argmax(rewards.accuracy(images, prompts)))
    kind, ground = parse(prompts[hit])
    other = next(name for name in BACKGROUNDS if name != ground)
    another = next(name for name in CLASSES if name != kind)
    pictures = np.stack([images[hit]] * 3)
    asked = [prompts[hit], caption(kind, other), caption(another, ground)]
    assert rewards.accuracy(pictures, asked).tolist() == [1.0, 0.0, 0.0]


def test_the_judge_is_a_quality_like_any_other(renderings):
    from evocache.search.evaluate.quality import quality

    images, prompts = renderings
    found = quality("evocache.zoo.judge:accuracy").measure(images, images, prompts)
    assert found == (-rewards.accuracy(images, prompts)).tolist()
