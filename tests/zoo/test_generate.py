import pytest
import torch

from evocache import zoo
from evocache.zoo.prompts import sample_prompts

# torch's tensors have no `copy` argument for numpy 2; the scheduler converts one.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def test_pictures_show_what_was_asked(emoji, judge):
    prompts = sample_prompts(8, seed=3)
    images = emoji(
        prompts, generator=torch.Generator().manual_seed(0), output_type="np", **zoo.find().call_defaults
    ).images
    assert images.shape == (8, 48, 48, 3)
    score = judge.score(images, prompts)
    # Far below what is measured over all combinations (see figures.json), far above chance.
    assert score.top1 >= 0.75
    assert score.background >= 0.75
