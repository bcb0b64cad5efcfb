import pytest
import torch

from evocache import zoo
from training import clip, unet
from training.dit import noise_levels

TINY = (32, 32, 32)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_it_has_the_skips_and_the_text_that_a_cached_unet_needs():
    model = unet.build(6, TINY)
    # One skip from the entrance, then one for each resnet and each step down.
    assert sum(len(block.resnets) for block in model.up_blocks) == 6
    assert [getattr(block, "has_cross_attention", False) for block in model.down_blocks] == [True, True, False]
    assert model.sample_size // 2 ** (len(TINY) - 1) == 3


def test_it_begins_as_nothing_and_learns():
    model, text = unet.build(6, TINY), clip.build_encoder()
    clean, sigma = torch.randn(8, 6, 12, 12) * 0.1 + 1, noise_levels(8)
    tokens = clip.encode(["fox on a pink background growing"] * 8)
    noise = torch.randn_like(clean)
    optimiser = torch.optim.AdamW([*model.parameters(), *text.parameters()], lr=3e-3)

    def step():
        loss = unet.loss_of(model, text, clean, tokens, sigma, noise)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    losses = [step() for _ in range(12)]
    assert losses[0] == pytest.approx((noise - clean).square().mean().item(), rel=1e-5)
    assert losses[-1] < 0.8 * losses[0]
    assert text.get_input_embeddings().weight.grad.abs().sum() > 0


def test_only_a_share_of_the_prompts_is_dropped():
    words, empty = clip.encode(["fox on a pink background"] * 2000), clip.encode([""])
    dropped = (unet.drop(words, empty) == empty).all(1).double().mean().item()
    assert dropped == pytest.approx(unet.DROPPED, abs=0.03)


def test_frames_of_opposite_motions_are_not_shown_alike():
    odds = unet.frame_odds(8)
    assert odds.sum() == pytest.approx(1)
    assert (odds[1:] > odds[:-1]).all()
    assert odds[-1] / odds[0] > 3
    assert odds.min() > 0.04  # every pose is still seen


@pytest.mark.skipif(not zoo.find("zoo:emoji").is_there, reason="its VAE is that of zoo:emoji, which is not there")
def test_the_plain_pipeline_of_stable_diffusion_runs_it():
    from training.export_unet import pipeline

    pipe = pipeline(unet.build(6, TINY), clip.build_encoder())
    pipe.set_progress_bar_config(disable=True)
    images = pipe(["fox on a pink background"] * 2, num_inference_steps=3, guidance_scale=2.0, output_type="np").images
    assert images.shape == (2, 48, 48, 3)
    assert pipe.scheduler.config.prediction_type == "flow_prediction"
