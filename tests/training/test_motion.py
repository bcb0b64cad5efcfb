import pytest
import torch

from training import clip, motion, unet

TINY = (32, 32, 32)
FRAMES = 4


@pytest.fixture
def base():
    torch.manual_seed(0)
    model = unet.build(6, TINY)
    for parameter in model.parameters():  # as if trained: nothing is zero
        torch.nn.init.normal_(parameter, std=0.05)
    return model.eval()


@pytest.fixture
def batch():
    torch.manual_seed(1)
    clean = torch.randn(2, FRAMES, 6, 12, 12)
    states = torch.randn(2, clip.TOKENS, clip.WIDTH)
    return states, clean, torch.tensor([0.4, 0.8]), torch.randn_like(clean)


def test_untrained_modules_leave_every_frame_as_the_picture_it_was(base, batch):
    states, clean, sigma, _ = batch
    model = motion.join(base, motion.build(base)).eval()
    with torch.no_grad():
        video = model(clean.transpose(1, 2), sigma * 1000, states.repeat_interleave(FRAMES, 0)).sample
        pictures = base(clean[:, 1], sigma * 1000, states).sample
    torch.testing.assert_close(video[:, :, 1], pictures, atol=1e-4, rtol=1e-4)


def test_only_motion_modules_learn_and_the_loss_falls(base, batch):
    model = motion.join(base, motion.build(base))
    learn = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert learn
    assert all("motion_modules" in name for name in learn)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimiser = torch.optim.AdamW(learn.values(), lr=3e-3)
    losses = []
    for _ in range(6):
        loss = motion.loss_of(model, *batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert changed
    assert changed <= learn.keys()


def test_half_of_the_noise_is_high():
    torch.manual_seed(0)
    sigma = motion.noise_levels(4000)
    assert 0 < sigma.min() < 0.2
    assert sigma.max() <= 1
    assert 0.6 < (sigma > 0.75).double().mean() < 0.7
    assert 0.19 < (sigma > 0.9).double().mean() < 0.25


def test_frames_hear_of_each_other_once_trained(base, batch):
    states, clean, sigma, _ = batch
    model = motion.join(base, motion.build(base)).eval()
    for name, parameter in model.named_parameters():
        if "proj_out" in name and "motion" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    other = clean.clone()
    other[:, 0] += 1
    spread = states.repeat_interleave(FRAMES, 0)
    with torch.no_grad():
        one, two = (model(video.transpose(1, 2), sigma * 1000, spread).sample for video in (clean, other))
    assert (one - two)[:, :, -1].abs().max() > 1e-4


def test_the_adapter_is_saved_with_what_was_trained(base, tmp_path, monkeypatch):
    from training.distributed import FlatModel, save
    from training.muon import order

    adapter = motion.build(base)
    model = motion.join(base, adapter)
    flat = FlatModel(order((model,), True)[0], 1)
    flat.data.normal_()
    flat.ema.copy_(flat.data)
    state = {"flat": flat.state(), "muon": True, "buffers": [dict(model.named_buffers())]}
    save({**state, "step": 3, "samples": 48, "seconds": 1.0}, tmp_path / "motion.pt")
    monkeypatch.setattr(unet, "load", lambda path: (base, None, {}))
    found, facts = motion.load(tmp_path / "motion.pt")
    assert facts["samples"] == 48
    stored = model.state_dict()
    assert found.state_dict()
    for name, value in found.state_dict().items():
        torch.testing.assert_close(value, stored[name])
