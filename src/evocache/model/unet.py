"""The shape of a U-Net: stages down, middle, stages up, and the skip connections between them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from .kinds import count_weighted_layers, has_attention, is_attention, is_cross_attention


@dataclass(frozen=True)
class Stage:
    """One stage: its module, and the units (residual blocks, transformers, motion modules) of each of its layers."""

    path: str
    module: nn.Module
    layers: tuple[tuple[tuple[str, nn.Module], ...], ...]
    samplers: tuple[tuple[str, nn.Module], ...]


@dataclass(frozen=True)
class Deep:
    """The part of a U-Net below one skip connection.

    Attributes:
        skipped: modules, outermost first, that do not run when it is reused.
        exits: modules of which the last to be called returns the one tensor that leaves the part.
    """

    skipped: tuple[nn.Module, ...]
    exits: tuple[nn.Module, ...]


@dataclass(frozen=True)
class UNet:
    """Stages of a U-Net; `deeps[k]` lies below skip connection k, of which 0 is the shallowest.

    Skip connections leave after each layer, or `by_stage`: after each stage.
    """

    down: tuple[Stage, ...]
    mid: tuple[Stage, ...]
    up: tuple[Stage, ...]
    deeps: tuple[Deep, ...]
    by_stage: bool = False

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All stages in order of execution."""
        return (*self.down, *self.mid, *self.up)

    def depth_of(self, stage: Stage, layer: int) -> int:
        """Index of the innermost deep part that contains a layer; -1 for a layer outside all of them."""
        if stage in self.mid:
            return len(self.deeps) - 1
        if self.by_stage and stage in self.down:
            return self.down.index(stage) - 1
        if self.by_stage:
            return len(self.up) - 2 - self.up.index(stage)
        if stage in self.down:
            return _sample(self.down, stage, layer) - 1
        total = sum(len(s.layers) for s in self.up)
        before = sum(len(s.layers) for s in self.up[: self.up.index(stage)])
        return total - 1 - (before + layer) - 1


def find_unet(denoiser: nn.Module) -> UNet | None:
    """Return the U-Net shape of a denoiser, or None if it has none.

    Stages are the members of two module lists, one before and one after a middle, whose members hold lists of units.
    Skip connections must pair up: one for the input, one for each layer down and each change of resolution; or one for
    each stage.
    """
    down, mid, up = (_stages(denoiser, hint) for hint in ("down", "mid", "up"))
    if not down or not up:
        return None
    samples = 1 + sum(len(s.layers) + len(s.samplers) for s in down)
    layers_up = [(s, j) for s in up for j in range(len(s.layers))]
    if samples != len(layers_up):
        deeps = _deeps_by_stage(down, mid, up)
        return UNet(down, mid, up, deeps, by_stage=True) if deeps else None
    deeps = tuple(_deep(down, mid, up, layers_up, depth) for depth in range(samples))
    return UNet(down, mid, up, deeps)


def find_unit_kind(path: str, unit: nn.Module) -> str | None:
    """Return the kind of a unit's own component; None for a transformer, which is entered instead."""
    name = path.split(".")[-2]
    if "motion" in name or "temp" in name:
        return "motion"
    if is_attention(unit):
        return "cross_attention" if is_cross_attention(name, unit) else "attention"
    return None if has_attention(unit) else "resnet" if count_weighted_layers(unit) >= 2 else None


def _stages(denoiser: nn.Module, hint: str) -> tuple[Stage, ...]:
    out: list[Stage] = []
    for name, child in denoiser.named_children():
        if not name.startswith(hint) or not name.endswith(("block", "blocks")):
            continue
        members = child.named_children() if isinstance(child, nn.ModuleList) else [("", child)]
        out += [_stage(f"{name}.{i}" if i else name, module) for i, module in members]
    return tuple(out)


def _stage(path: str, module: nn.Module) -> Stage:
    lists = _lists(path, module) or [found for n, c in module.named_children() for found in _lists(f"{path}.{n}", c)]
    samplers = [(f"{at}.{i}", m) for at, c in lists if "sampl" in at for i, m in enumerate(c)]
    units = [(at, c) for at, c in lists if "sampl" not in at]
    return Stage(path, module, _layers(units), tuple(samplers))


def _layers(units: list[tuple[str, nn.ModuleList]]) -> tuple[tuple[tuple[str, nn.Module], ...], ...]:
    """Units by layer. There are as many layers as residual blocks, and each may attend several times."""
    depth = max((len(c) for _, c in units if not has_attention(c)), default=max((len(c) for _, c in units), default=0))
    layers: list[list[tuple[str, nn.Module]]] = [[] for _ in range(depth)]
    for at, list_ in units:
        each = max(len(list_) // depth, 1)
        for j, unit in list_.named_children():
            layers[min(int(j) // each, depth - 1)].append((f"{at}.{j}", unit))
    return tuple(map(tuple, layers))


def _lists(path: str, module: nn.Module) -> list[tuple[str, nn.ModuleList]]:
    """Module lists that a module holds, with their paths."""
    return [(f"{path}.{n}", c) for n, c in module.named_children() if isinstance(c, nn.ModuleList) and len(c)]


def _sample(down: tuple[Stage, ...], stage: Stage, layer: int) -> int:
    """Index of the skip connection that a layer on the way down feeds; the input feeds 0."""
    before = down[: down.index(stage)]
    return 1 + sum(len(s.layers) + len(s.samplers) for s in before) + layer


def _deeps_by_stage(down: tuple[Stage, ...], mid: tuple[Stage, ...], up: tuple[Stage, ...]) -> tuple[Deep, ...]:
    """Deep parts where each stage on the way up takes in what its counterpart on the way down gave.

    Without a middle there is no skip connection across the innermost stages.
    """
    if len(down) != len(up) or not any(stage.layers for stage in down):
        return ()
    deeps = []
    for depth in range(len(down) if mid else len(down) - 1):
        before = up[: len(up) - 1 - depth]
        skipped = (*down[depth + 1 :], *mid, *before)
        deeps.append(Deep(tuple(s.module for s in skipped), ((before or mid)[-1].module,)))
    return tuple(deeps)


def _deep(
    down: tuple[Stage, ...],
    mid: tuple[Stage, ...],
    up: tuple[Stage, ...],
    layers_up: list[tuple[Stage, int]],
    depth: int,
) -> Deep:
    skipped: list[nn.Module] = []
    for stage in down:
        first = _sample(down, stage, 0)
        if first > depth:
            skipped.append(stage.module)
            continue
        for j, layer in enumerate(stage.layers):
            if first + j > depth:
                skipped += [unit for _, unit in layer]
        if first + len(stage.layers) > depth:
            skipped += [unit for _, unit in stage.samplers]
    skipped += [stage.module for stage in mid]
    stage, j = layers_up[len(layers_up) - 1 - depth]
    before = up[: up.index(stage)]
    skipped += [s.module for s in before]
    for layer in stage.layers[:j]:
        skipped += [unit for _, unit in layer]
    if j:
        exits = tuple(unit for _, unit in stage.layers[j - 1])
    else:
        exits = ((before[-1] if before else (mid or down)[-1]).module,)
    return Deep(tuple(skipped), exits)
