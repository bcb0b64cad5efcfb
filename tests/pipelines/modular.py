"""Pipelines that are put together of blocks: a row names a modular pipeline, whose default blocks are built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import diffusers
import torch
from diffusers import DiffusionPipeline

from tests.pipelines.row import STEPS, Parts, Row, no_parts
from tests.tiny.base import seeded


def row(
    pipeline: str,
    parts: Callable[[], Parts],
    call: Mapping[str, Any],
    *,
    own: Callable[[], Parts] = no_parts,
    without: tuple[str, ...] = (),
    told: tuple[str, ...] = (),
    output: tuple[str, ...] = ("images",),
    after: Callable[[Any], None] | None = None,
    **about: Any,
) -> Row:
    """Return a row.

    Args:
        pipeline: the class.
        parts: makes components; those that its blocks expect are taken.
        call: its inputs, of which it is given those that it takes; the number of steps and a generator are added.
        own: components besides, of this row alone.
        without: blocks that are left out, since the call tells what they would give: readers of prompts.
        told: names that components have in the blocks, for the same components under others in `parts`: `new=old`.
        output: what is looked at.
        after: what is done to the built pipeline.
        about: attributes of the row.
    """

    def blocks() -> Any:
        made = getattr(diffusers, getattr(diffusers, pipeline).default_blocks_name)()
        for name in without:
            made.sub_blocks.pop(name)
        return made

    @seeded
    def build() -> DiffusionPipeline:
        pipe = getattr(diffusers, pipeline)(blocks())
        made = {**parts(), **own()}
        made |= {new: made[old] for new, old in (name.split("=") for name in told)}
        pipe.update_components(**{name: part for name, part in made.items() if name in pipe.component_names})
        if after:
            after(pipe)
        return pipe

    def arguments() -> dict[str, Any]:
        generator = torch.Generator().manual_seed(0)
        given = {"num_inference_steps": STEPS, "generator": generator, "output_type": "np", **call}
        accepted = {parameter.name for parameter in blocks().inputs}
        return {"output": list(output), **{name: value for name, value in given.items() if name in accepted}}

    return Row(pipeline, build, arguments, **about)


def exported() -> set[str]:
    """Return the names that the families of modular pipelines of diffusers export: pipelines, and sets of blocks."""
    bases = ("modular_pipeline", "modular_pipeline_utils", "components_manager")
    families = diffusers.modular_pipelines._import_structure.items()
    return {name for family, names in families if family not in bases for name in names}
