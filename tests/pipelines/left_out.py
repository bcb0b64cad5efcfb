"""Pipeline classes without a row, by reason."""

from __future__ import annotations

_BECAUSE: dict[str, tuple[str, ...]] = {
    "no class of its own: the base of all": ("DiffusionPipeline",),
    "no torch modules: it runs exported graphs": (
        "OnnxStableDiffusionImg2ImgPipeline",
        "OnnxStableDiffusionInpaintPipeline",
        "OnnxStableDiffusionInpaintPipelineLegacy",
        "OnnxStableDiffusionPipeline",
        "OnnxStableDiffusionUpscalePipeline",
        "StableDiffusionOnnxPipeline",
    ),
    "nothing is denoised in steps: it embeds a picture, or raises the resolution of latents": (
        "FluxPriorReduxPipeline",
        "LTXLatentUpsamplePipeline",
        "LTX2LatentUpsamplePipeline",
    ),
    "its decoder denoises within its own decode, in one step as a rule, and no scheduler is told": (
        "LTX2VideoDiffusionDecodePipeline",
    ),
    "writes text, by a language model that is no denoiser of a scheduler's": (
        "DiffusionGemmaPipeline",
        "LLaDA2Pipeline",
    ),
    "it observes attention, which is computed at every step therefore, with what contains it, and takes gradients of "
    "calls, which compute everything: schedules save less than a row counts: tests/runtime/attach/test_observers runs "
    "it": (
        "StableDiffusionAttendAndExcitePipeline",
        "StableDiffusionPix2PixZeroPipeline",
        "StableDiffusionSAGPipeline",
    ),
    "no call of its own: each of its methods makes a pipeline that has a row": ("VersatileDiffusionPipeline",),
}

LEFT_OUT: dict[str, str] = {name: reason for reason, names in _BECAUSE.items() for name in names}
"""Why a class has no row."""
