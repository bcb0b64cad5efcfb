"""Pipelines that are refused, and that what the refusal advises works."""

from __future__ import annotations

import pytest
from diffusers import VersatileDiffusionImageVariationPipeline, VersatileDiffusionPipeline

from evocache import apply
from evocache.errors import PipelineError
from tests.pipelines.row import assembled
from tests.pipelines.versatile import unets, versatile


def test_a_pipeline_without_a_call_is_pointed_to_one_with():
    pipe = assembled(VersatileDiffusionPipeline, {**versatile(), **unets()})
    with pytest.raises(PipelineError, match=r"which has no call of its own.*TaskPipeline\.from_pipe"):
        apply(pipe, "fora:2")
    task = VersatileDiffusionImageVariationPipeline.from_pipe(pipe)
    with apply(task, "fora:2") as handle:
        assert [denoiser.name for denoiser in handle.model.denoisers] == ["image_unet"]
