"""Write U-Net and motion modules as ordinary diffusers pipelines, in float16.

What a folder of `zoo:emoji` or of `zoo:emoji-unet` holds already is not written again: the loader
takes it from there.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from diffusers import DPMSolverMultistepScheduler, MotionAdapter, StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from evocache import zoo
from training import clip, export, motion, unet, vae


def scheduler() -> DPMSolverMultistepScheduler:
    """That of zoo:emoji, with the offset that Stable Diffusion's pipeline insists on; flows have no use for it."""
    return DPMSolverMultistepScheduler.from_config(export.scheduler().config, steps_offset=1)


def pipeline(image_model: Any, text_encoder: Any) -> StableDiffusionPipeline:
    """The parts as Stable Diffusion's pipeline, with the VAE of zoo:emoji."""
    return StableDiffusionPipeline(
        vae=vae.exported(),
        text_encoder=text_encoder,
        tokenizer=clip.build_tokenizer(),
        unet=image_model,
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def export_unet(whole: StableDiffusionPipeline, folder: Path) -> None:
    """Write all parts but the VAE."""
    for module in (whole.unet, whole.text_encoder):
        module.half()
    with export.replaced(folder) as partial:
        whole.save_pretrained(partial)
        shutil.rmtree(partial / "vae")
        clip.save_vocabulary(partial / "tokenizer")
        _name_as_published(partial / "text_encoder" / "model.safetensors")


def _name_as_published(path: Path) -> None:
    """Weights of a CLIP text model under the names of the published ones, which transformers 4 and 5 both know."""
    weights = load_file(path)
    named = {f"text_model.{name.removeprefix('text_model.')}": value for name, value in weights.items()}
    save_file(named, path, metadata={"format": "pt"})


def export_motion(adapter: MotionAdapter, base: Path, folder: Path) -> None:
    """Write the motion modules, and an index that names the parts of the pipeline in `base`."""
    index = json.loads((base / "model_index.json").read_text(encoding="utf-8"))
    parts = ("vae", "text_encoder", "tokenizer", "unet", "scheduler")
    stated = {
        "_class_name": "AnimateDiffPipeline",
        "_diffusers_version": index["_diffusers_version"],
        **{part: index[part] for part in parts},
        "motion_adapter": ["diffusers", "MotionAdapter"],
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
    }
    with export.replaced(folder) as partial:
        adapter.half().save_pretrained(partial / "motion_adapter")
        (partial / "model_index.json").write_text(json.dumps(stated, indent=2) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--unet", type=Path, default=unet.CHECKPOINT)
    parser.add_argument("--motion", type=Path, help="checkpoint of the motion modules; without it, write the U-Net")
    args = parser.parse_args(arguments)
    base = zoo.find("zoo:emoji-unet").folder
    if args.motion is None:
        image_model, text_encoder, facts = unet.load(args.unet)
        export_unet(pipeline(image_model, text_encoder), base)
    else:
        adapter, facts = motion.load(args.motion, args.unet)
        export_motion(adapter, base, zoo.find("zoo:emoji-motion").folder)
    print(f"exported after {facts['samples']} samples, {facts['seconds'] / 60:.0f} minutes")


if __name__ == "__main__":
    main()
