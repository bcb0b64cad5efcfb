"""Train the text encoder and the diffusion transformer together, by flow matching."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from diffusers import PixArtTransformer2DModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import T5EncoderModel

from evocache.zoo.prompts import BACKGROUNDS, CLASSES, TEMPLATES, caption
from training import latents
from training.distributed import Clock, FlatModel, launch, save
from training.muon import MuonAdamW, order
from training.paths import CACHE
from training.precision import autocast
from training.text import TOKENS, build_encoder, build_tokenizer

CHECKPOINT = CACHE / "dit.pt"


def build(channels: int) -> PixArtTransformer2DModel:
    """7 M parameters: 8 layers, width 224, 36 tokens of 2x2 latents."""
    model = PixArtTransformer2DModel(
        num_attention_heads=7,
        attention_head_dim=32,
        in_channels=channels,
        out_channels=channels,
        num_layers=8,
        cross_attention_dim=224,
        caption_channels=192,
        sample_size=12,
        patch_size=2,
        norm_elementwise_affine=False,
        norm_eps=1e-6,
        # The exact form costs half as much CPU time as the tanh approximation, forward and backward.
        activation_fn="gelu",
        use_additional_conditions=False,
    )
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    nn.init.zeros_(model.proj_out.weight)
    # Scaled-dot-product kernels are slower than plain products for 36 tokens on a CPU.
    model.set_attn_processor(AttnProcessor())
    return model


def noise_levels(n: int) -> Tensor:
    """Sigma in (0, 1), (n,): logit-normal, and 15 % uniform so that both ends are seen."""
    middle = torch.sigmoid(torch.randn(n))
    return torch.where(torch.rand(n) < 0.15, torch.rand(n), middle)


def loss_of(
    dit: nn.Module, text: T5EncoderModel, clean: Tensor, tokens: Tensor, sigma: Tensor, noise: Tensor
) -> Tensor:
    """Flow matching on latents (n, channels, 12, 12): predict noise - clean at level sigma."""
    mask = (tokens != 0).long()
    states = text(input_ids=tokens, attention_mask=mask).last_hidden_state
    level = sigma[:, None, None, None]
    velocity = dit(
        (1 - level) * clean + level * noise,
        encoder_hidden_states=states,
        timestep=sigma * 1000,
        encoder_attention_mask=mask,
        added_cond_kwargs={"resolution": None, "aspect_ratio": None},
        return_dict=False,
    )[0]
    return (velocity.float() - (noise - clean)).square().mean()


def rate(progress: float, step: int) -> float:
    """Share of the peak: 100 steps of warm-up, constant to 35 % of the budget, then linear to 1 %."""
    return min(1.0, (step + 1) / 100) * min(1.0, 1 - (progress - 0.35) / 0.65 * 0.99)


def caption_tokens() -> Tensor:
    """(classes, backgrounds, templates, tokens); padding is 0."""
    captions = [
        caption(name, ground, template)
        for name in CLASSES
        for ground in BACKGROUNDS
        for template in range(len(TEMPLATES))
    ]
    encoded = build_tokenizer()(captions, padding="max_length", max_length=TOKENS, return_tensors="pt")
    assert encoded["input_ids"].shape[1] == TOKENS, "a caption is longer than the padding"
    return encoded["input_ids"].view(len(CLASSES), len(BACKGROUNDS), len(TEMPLATES), TOKENS)


def train(rank: int, world: int, args: argparse.Namespace) -> None:
    torch.manual_seed(0)
    stored_latents = latents.load()
    values, kinds, grounds = (stored_latents[key] for key in ("latents", "kinds", "grounds"))
    tokens = caption_tokens()
    dit, text = build(values.shape[1]), build_encoder(int(tokens.max()) + 1)
    parameters, matrices = order((dit, text), args.muon)
    flat = FlatModel(parameters, world)
    optimiser = MuonAdamW(flat, matrices, rank)
    step, spent, samples = 0, 0.0, 0
    checkpoint = CACHE / args.checkpoint
    if checkpoint.exists():
        stored: dict[str, Any] = torch.load(checkpoint)
        flat.load(stored["flat"])
        optimiser.load(stored["optimiser"])
        step, spent, samples = stored["step"], stored["seconds"], stored["samples"]
    model = torch.compile(dit, dynamic=False) if args.compile else dit
    torch.manual_seed(1 + rank + 1000 * step)
    rng = np.random.default_rng([rank, step])
    clock, saved, log = Clock(args.minutes, spent), spent, []
    # Not from the clock: every rank has to take the same decision.
    progress = spent / (args.minutes * 60)
    while progress < 1:
        rows = torch.from_numpy(rng.integers(len(values), size=args.batch))
        words = tokens[kinds[rows], grounds[rows], torch.randint(len(TEMPLATES), rows.shape)]
        # What is dropped becomes the empty prompt: the end mark and padding.
        empty = torch.zeros(TOKENS, dtype=torch.long)
        empty[0] = 1
        words = torch.where(torch.rand(args.batch, 1) < 0.1, empty, words)
        clean = values[rows].float()
        with autocast():
            loss = loss_of(model, text, clean, words, noise_levels(args.batch), torch.randn_like(clean))
        flat.grads.zero_()
        loss.backward()
        progress, norm = flat.reduce(clock.progress, rank, 1.0)
        share = rate(progress, step)
        optimiser.step(args.muon_rate * share, args.rate * share)
        step, samples = step + 1, samples + args.batch * world
        flat.update_ema(min(0.9985, step / (step + 10)))
        log.append(loss.item())
        if rank == 0 and step % 50 == 0:
            mean = float(np.mean(log[-50:]))
            print(f"{step} {clock.seconds:.0f}s {samples} loss {mean:.4f} norm {norm:.2f}", flush=True)
        if rank == 0 and (clock.seconds - saved > 150 or progress >= 1):
            saved = clock.seconds
            state = {"flat": flat.state(), "optimiser": optimiser.state(), "muon": args.muon}
            save({**state, "step": step, "seconds": saved, "samples": samples}, checkpoint)


def load(path: Any = CHECKPOINT, *, averaged: bool = True) -> tuple[Any, Any, dict[str, Any]]:
    """(transformer, text encoder, {steps, samples, seconds}) of the checkpoint."""
    stored = torch.load(path)
    dit = build(latents.load()["latents"].shape[1])
    text = build_encoder(int(caption_tokens().max()) + 1)
    parameters, _ = order((dit, text), stored["muon"])
    flat = FlatModel(parameters, 1)
    flat.load(stored["flat"])
    if averaged:
        flat.swap_in_ema()
    facts = {key: stored[key] for key in ("step", "samples", "seconds")}
    return dit.requires_grad_(False).eval(), text.requires_grad_(False).eval(), facts


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--batch", type=int, default=64, help="per process")
    parser.add_argument("--rate", type=float, default=1.2e-3)
    parser.add_argument("--muon-rate", type=float, default=2e-3)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--checkpoint", default="dit.pt")
    parser.add_argument("--muon", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=False)
    args = parser.parse_args(arguments)
    launch(train, args.processes, args)


if __name__ == "__main__":
    main()
