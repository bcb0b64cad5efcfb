"""Muon on the matrices, AdamW on the rest, both on one flat buffer (Jordan et al. 2024)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn

from training.distributed import FlatModel
from training.precision import fast


def is_matrix(name: str, parameter: nn.Parameter) -> bool:
    """Weights inside the repeated blocks; embeddings, heads and conditioning stay with AdamW."""
    if parameter.ndim == 4:
        return "resnets." in name and "shortcut" not in name
    inside = any(part in name for part in ("transformer_blocks.", ".block.", "encoder.layers."))
    return parameter.ndim == 2 and inside and "table" not in name and "bias" not in name


def shape(parameter: nn.Parameter) -> tuple[int, int]:
    """Rows and columns of a weight as a matrix; a convolution's columns are its patches."""
    return len(parameter), parameter[0].numel()


def order(models: Iterable[nn.Module], muon: bool) -> tuple[list[nn.Parameter], int]:
    """All parameters that learn, matrices for Muon first, and how many of those there are."""
    named = [item for model in models for item in model.named_parameters() if item[1].requires_grad]
    first = [p for name, p in named if muon and is_matrix(name, p)]
    taken = {id(p) for p in first}
    return first + [p for _, p in named if id(p) not in taken], len(first)


def orthogonal(stack: Tensor, steps: int = 5) -> Tensor:
    """Newton-Schulz: (k, rows, columns) -> nearest semi-orthogonal matrices, roughly."""
    tall = stack.shape[1] > stack.shape[2]
    x = (stack.mT if tall else stack).to(fast(stack.device))
    x = x / (x.float().norm(dim=(1, 2), keepdim=True).to(x.dtype) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * (gram @ gram)) @ x
    return (x.mT if tall else x).float()


class MuonAdamW:
    """One step for the whole flat buffer; the orthogonalisation is shared out over the ranks."""

    def __init__(self, flat: FlatModel, matrices: int, rank: int, momentum: float = 0.95) -> None:
        self.flat, self.rank, self.momentum = flat, rank, momentum
        self.groups: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        offset = 0
        for p in flat.parameters[:matrices]:
            rows, columns = shape(p)
            self.groups[rows, columns].append((offset, offset + p.numel()))
            offset += p.numel()
        self.split = offset
        self.velocity = flat.data.new_zeros(offset)
        self.update = flat.data.new_zeros(offset)
        rest = nn.Parameter(flat.data[offset:])
        rest.grad = flat.grads[offset:-1]
        self.adam = torch.optim.AdamW([rest], betas=(0.9, 0.98), weight_decay=0, fused=True)

    @torch.no_grad()
    def step(self, muon_rate: float, adam_rate: float) -> None:
        """One update from the gradients in the flat buffer."""
        self.adam.param_groups[0]["lr"] = adam_rate
        self.adam.step()
        if not self.split:
            return
        grads = self.flat.grads[: self.split]
        self.velocity.lerp_(grads, 1 - self.momentum)
        look_ahead = grads.lerp(self.velocity, self.momentum)
        self.update.zero_()
        for (rows, columns), spans in self.groups.items():
            mine = spans[self.rank :: self.flat.world]
            if not mine:
                continue
            stack = torch.stack([look_ahead[a:b].view(rows, columns) for a, b in mine])
            # Factor of Liu et al. 2025: the update has the size that AdamW's would have.
            moved = orthogonal(stack) * (0.2 * max(rows, columns) ** 0.5)
            for (a, b), matrix in zip(mine, moved, strict=True):
                self.update[a:b] = matrix.reshape(-1)
        if self.flat.world > 1:
            dist.all_reduce(self.update)
        self.flat.data[: self.split].sub_(self.update, alpha=muon_rate)

    def state(self) -> dict[str, object]:
        """For a checkpoint."""
        return {"adam": self.adam.state_dict(), "velocity": self.velocity}

    def load(self, state: dict[str, object]) -> None:
        """From a checkpoint."""
        self.adam.load_state_dict(state["adam"])  # type: ignore[arg-type]
        self.velocity.copy_(state["velocity"])  # type: ignore[arg-type]
