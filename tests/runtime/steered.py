"""A small pipeline of our own, whose host or blocks do what some hosts do to streams: add signals, write in place."""

from __future__ import annotations

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import nn


class Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.scaled_dot_product_attention(self.to_q(x), self.to_k(x), self.to_v(x))


class Block(nn.Module):
    def __init__(self, width: int, in_place: bool) -> None:
        super().__init__()
        self.attn = Attention(width)
        self.ff = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.in_place = in_place

    def forward(self, hidden_states: torch.Tensor, text: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        out = hidden_states + self.attn(hidden_states)
        out = out + self.ff(out)
        return (hidden_states.copy_(out) if self.in_place else out), text + 0.1 * self.attn(text)


class Transformer(nn.Module):
    """`signal(step)` is added between the blocks: not at all, as a new tensor, or by writing into the stream."""

    def __init__(self, how: str, width: int = 8, blocks: int = 4) -> None:
        super().__init__()
        self.transformer_blocks = nn.ModuleList(Block(width, how == "block writes" and i == 0) for i in range(blocks))
        self.how = how
        self.step = 0
        self.entries: list[torch.Tensor] = []
        self.exits: list[torch.Tensor] = []

    def signal(self) -> float:
        return 0.25 * (self.step + 1) if self.how.startswith("host") else 0.0

    def forward(self, hidden_states: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        x, text = hidden_states * 1.0, torch.ones_like(hidden_states)
        self.entries.append(x.clone())
        for block in self.transformer_blocks:
            x, text = block(x, text)
            x = x.add_(self.signal()) if self.how == "host writes" else x + self.signal() if self.signal() else x
        self.exits.append(x.clone())
        self.step += 1
        return x


class Pipe:
    def __init__(self, how: str, *, solves_itself: bool = False) -> None:
        torch.manual_seed(0)
        self.solves_itself = solves_itself
        self.transformer = Transformer(how).eval()
        self.scheduler = FlowMatchEulerDiscreteScheduler()

    @property
    def components(self) -> dict[str, object]:
        return {"transformer": self.transformer, "scheduler": self.scheduler}

    @torch.no_grad()
    def __call__(self, steps: int) -> torch.Tensor:
        self.scheduler.set_timesteps(steps)
        x = torch.randn(1, 5, 8, generator=torch.Generator().manual_seed(1))
        for t in self.scheduler.timesteps:
            out = self.transformer(x, timestep=t)
            x = x - 0.1 * out if self.solves_itself else self.scheduler.step(out, t, x).prev_sample
        return x
