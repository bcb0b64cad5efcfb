"""A small pipeline whose features depend on the prompt alone: reuse is exact where prompts use their own features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import nn

from tests.runtime.steered import Attention

Steps = Sequence[str]
"""For each step, the prompts that the denoiser is called for, a letter each."""


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn = Attention(width)
        self.ff = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, hidden_states: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        return hidden_states + self.attn(text) + self.ff(text)


class Transformer(nn.Module):
    """Takes a tensor, or a list of samples of any sizes, which it joins to one sequence."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.transformer_blocks = nn.ModuleList(Block(width) for _ in range(3))

    def forward(
        self, hidden_states: Any, timestep: torch.Tensor, encoder_hidden_states: Any, embeds: Any = None
    ) -> Any:
        samples = isinstance(hidden_states, list)
        x = torch.cat(hidden_states, dim=1) if samples else hidden_states
        text = torch.cat(encoder_hidden_states, dim=1) if samples else encoder_hidden_states
        for block in self.transformer_blocks:
            x = block(x, text)
        return list(x.split([s.shape[1] for s in hidden_states], dim=1)) if samples else x


class Pipe:
    """Calls its denoiser for the prompts of each step, one after the other, and follows the mean of what it gives.

    Args:
        handed: how prompts are handed on: the same tensors ("held"), or new ones for each call ("fresh").
    """

    def __init__(self, handed: str = "held") -> None:
        torch.manual_seed(0)
        self.transformer = Transformer().eval()
        self.scheduler = FlowMatchEulerDiscreteScheduler()
        self.handed = handed
        self.more: Callable[[torch.Tensor], torch.Tensor | None] = lambda t: None
        """What a call is given besides, and makes nothing of."""
        self.do_classifier_free_guidance: bool | None = None

    @property
    def components(self) -> dict[str, object]:
        return {"transformer": self.transformer, "scheduler": self.scheduler}

    @torch.no_grad()
    def __call__(self, steps: Steps, tokens: Callable[[str], int] = lambda letter: 5) -> torch.Tensor:
        self.scheduler.set_timesteps(len(steps))
        prompts = {
            letter: torch.randn(1, tokens(letter), 8, generator=torch.Generator().manual_seed(ord(letter)))
            for letter in sorted(set("".join(steps)))
        }
        x = torch.randn(1, 5, 8, generator=torch.Generator().manual_seed(1))
        for t, letters in zip(self.scheduler.timesteps, steps, strict=True):
            if self.do_classifier_free_guidance is not None:
                self.do_classifier_free_guidance = len(letters) > 1
            given = [prompts[a] if self.handed == "held" else prompts[a].clone() for a in letters]
            more = self.more(t)
            beside = {} if more is None else {"embeds": more}
            out = [self.transformer(x, timestep=t, encoder_hidden_states=text, **beside) for text in given]
            x = self.scheduler.step(torch.stack(out).mean(0), t, x).prev_sample
        return x
