"""What people do to a pipeline between two calls: each edit is made to two equal pipelines alike."""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import diffusers
import peft
import torch

from evocache import discover
from tests.tiny import Tiny

SOLVERS = {
    "epsilon": ("DDIMScheduler", "EulerDiscreteScheduler", "DPMSolverMultistepScheduler", "UniPCMultistepScheduler",
                "HeunDiscreteScheduler", "PNDMScheduler", "EulerAncestralDiscreteScheduler", "LCMScheduler"),
    "flow": ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler"),
}  # fmt: skip
"""Solvers that may take each other's place, by what they predict."""

POLICIES = (
    "none", "fora:2", "fora:3", "taylorseer:2,1", "taylorseer:2,2", "freqca:2", "pab:2,3", "fastercache:2",
    "steps:0,2,3", "tgate:2", "fbcache:0.2", "teacache:0.3", "easycache:0.2", "dbcache:0.3",
)  # fmt: skip

LAYERS = ("to_q", "to_out.0", "net.2", "proj_out", "proj_mlp", "conv1", "ffn.net.2")

PROMPTS = (
    "a red fox",
    "house",
    "a very long prompt about a blue whale that flies over the mountains of the moon at night",
)


class HaltError(Exception):
    """Raised by a callback."""


@dataclass(frozen=True)
class Call:
    """How a pipeline is called, and what is applied to it.

    Attributes:
        policy: what is applied.
        memory: the budget.
        storage: how features are stored.
        arguments: of the call.
    """

    policy: str = "fora:2"
    memory: str | None = None
    storage: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)

    def given(self, **changes: Any) -> Call:
        """The same with other arguments of the call."""
        return replace(self, arguments={**self.arguments, **changes})


@dataclass
class World:
    """Two equal pipelines, one of which is accelerated all the time, and how they are called.

    Attributes:
        tiny: the family.
        pipe: lives through all edits under one handle.
        twin: has all edits as well, and is accelerated anew for each call.
        call: how both are called.
        log: the edits so far.
    """

    tiny: Tiny
    pipe: Any
    twin: Any
    call: Call = field(default_factory=Call)
    adapted: int = 0
    log: list[str] = field(default_factory=list)

    def both(self, edit: Callable[[Any], None]) -> None:
        """Edit both pipelines."""
        edit(self.pipe)
        edit(self.twin)

    def denoisers(self, pipe: Any) -> list[torch.nn.Module]:
        """The denoisers of one of them."""
        return [getattr(pipe, name) for name in self.tiny.denoisers]


Edit = Callable[[World, Callable[[Sequence[Any]], Any]], None]
"""Changes a world; what is to be chosen is drawn from a sequence."""


def steps(world: World, draw: Any) -> None:
    """Another number of steps."""
    world.call = world.call.given(steps=draw((2, 3, 4, 5, 7)))


def guidance(world: World, draw: Any) -> None:
    """Guidance on or off."""
    world.call = world.call.given(guidance=draw((True, False)))


def prompt(world: World, draw: Any) -> None:
    """Another prompt, longer or shorter."""
    world.call = world.call.given(prompt=draw(PROMPTS))


def size(world: World, draw: Any) -> None:
    """Pictures of another size."""
    if "img2img" not in world.tiny.name:
        world.call = world.call.given(
            **dict(zip(("height", "width"), draw(((32, 32), (48, 32), (32, 64))), strict=True))
        )


def batch(world: World, draw: Any) -> None:
    """Several pictures a prompt."""
    if "num_frames" not in world.call.arguments and world.tiny.name != "wan":
        world.call = world.call.given(num_images_per_prompt=draw((1, 2, 3)))


def strength(world: World, draw: Any) -> None:
    """How far a given picture is changed."""
    if "img2img" in world.tiny.name:
        world.call = world.call.given(strength=draw((0.3, 0.75, 1.0)))


def frames(world: World, draw: Any) -> None:
    """A shorter or longer video."""
    if world.tiny.name == "wan":
        world.call = world.call.given(num_frames=draw((5, 9)))


def seed(world: World, draw: Any) -> None:
    """Another seed."""
    world.call = world.call.given(seed=draw((0, 1)))


def policy(world: World, draw: Any) -> None:
    """Another policy."""
    world.call = replace(world.call, policy=draw(POLICIES))


def budget(world: World, draw: Any) -> None:
    """A memory budget: ample, tight, impossible, or none."""
    world.call = replace(world.call, memory=draw((None, None, "1GB", "1500KB", "100KB")))


def storage(world: World, draw: Any) -> None:
    """Features stored in another type."""
    world.call = replace(world.call, storage=draw((None, "bf16", "int8", "fp8")))


def solver(world: World, draw: Any) -> None:
    """Another scheduler, made of the config of the one before."""
    name = type(world.pipe.scheduler).__name__
    kin = next((names for names in SOLVERS.values() if name in names), ())
    if kin:
        chosen = getattr(diffusers, draw(kin))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            world.both(lambda pipe: setattr(pipe, "scheduler", chosen.from_config(pipe.scheduler.config)))


def precision(world: World, draw: Any) -> None:
    """Weights of another type."""
    dtype = draw((torch.float32, torch.bfloat16))
    world.both(lambda pipe: pipe.to(dtype))


def adapter(world: World, draw: Any) -> None:
    """A LoRA put around some layers of the denoisers, or all LoRAs taken away."""
    from diffusers.utils.peft_utils import recurse_remove_peft_layers

    layer = draw((None, *LAYERS))
    world.adapted += 1

    def edit(pipe: Any) -> None:
        for denoiser in world.denoisers(pipe):
            if layer is None or hasattr(denoiser, "peft_config"):
                recurse_remove_peft_layers(denoiser)
                denoiser.__dict__.pop("peft_config", None)
            if layer is not None and any(path.endswith(layer) for path, _ in denoiser.named_modules()):
                dtype = next(denoiser.parameters()).dtype
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(world.adapted)
                    config = peft.LoraConfig(r=2, target_modules=[layer], init_lora_weights=False)
                    peft.inject_adapter_in_model(config, denoiser, f"a{world.adapted}")
                denoiser.to(dtype)

    world.both(edit)


def block(world: World, draw: Any) -> None:
    """A copy of a block, with other weights, in its place."""
    which = draw((0, -1))

    def edit(pipe: Any) -> None:
        for denoiser in discover(pipe).denoisers:
            if not denoiser.blocks:
                continue
            old = denoiser.blocks[which]
            path = next(path for path, module in denoiser.module.named_modules() if module is old)
            made = copy.deepcopy(old)
            with torch.no_grad():
                for weight in made.parameters():
                    weight.mul_(1.05)
            owner, _, name = path.rpartition(".")
            denoiser.module.get_submodule(owner)._modules[name] = made

    world.both(edit)


def copied(world: World, draw: Any) -> None:
    """The pipeline goes on with a deep copy of its denoisers; the old ones are dropped."""

    def edit(pipe: Any) -> None:
        for name in world.tiny.denoisers:
            setattr(pipe, name, copy.deepcopy(getattr(pipe, name)))

    world.both(edit)


def failure(world: World, draw: Any) -> None:
    """A call that ends in the middle, since a forward raises."""
    at = draw((1, 2, 3))
    for pipe in (world.pipe, world.twin):
        calls = []

        def halt(*_: Any, calls: list[int] = calls) -> None:
            calls.append(0)
            if len(calls) == at:
                raise HaltError

        hook = world.denoisers(pipe)[0].register_forward_pre_hook(halt)
        try:
            with contextlib.suppress(Exception):  # what is wrong with the call shows at the next one
                world.tiny.call(pipe, **{**world.call.arguments, "steps": 3})
        finally:
            hook.remove()


EDITS: tuple[Edit, ...] = (
    steps, guidance, prompt, size, batch, strength, frames, seed, policy, budget, storage, solver, precision, adapter,
    block, copied, failure,
)  # fmt: skip
