"""Write the trained parts as an ordinary diffusers pipeline, in float16."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from diffusers import DPMSolverMultistepScheduler, PixArtAlphaPipeline

from training import dit, latents, vae
from training.paths import WEIGHTS
from training.text import build_tokenizer

FOLDER = WEIGHTS / "emoji"


def scheduler() -> DPMSolverMultistepScheduler:
    """Second-order solver of the flow that the transformer was trained on."""
    return DPMSolverMultistepScheduler(
        num_train_timesteps=1000,
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        flow_shift=1.0,
        solver_order=2,
    )


def export(checkpoint: Path, folder: Path = FOLDER, *, averaged: bool = True) -> None:
    transformer, text_encoder, facts = dit.load(checkpoint, averaged=averaged)
    autoencoder = vae.load()
    autoencoder.register_to_config(scaling_factor=latents.load()["scaling_factor"])
    pipeline = PixArtAlphaPipeline(
        tokenizer=build_tokenizer(),
        text_encoder=text_encoder.half(),
        vae=autoencoder.half(),
        transformer=transformer.half(),
        scheduler=scheduler(),
    )
    with replaced(folder) as partial:
        pipeline.save_pretrained(partial)
    print(f"exported after {facts['samples']} samples, {facts['seconds'] / 60:.0f} minutes")


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A new folder to save into, which takes the place of `folder` at the end.

    Whoever loads meanwhile finds the old model or the new one. A front that was evolved for the old
    weights goes with them.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    yield partial
    for path in partial.rglob("*.json"):
        # The name that transformers 4 and 5 both know.
        text = path.read_text(encoding="utf-8").replace('"TokenizersBackend"', '"PreTrainedTokenizerFast"')
        path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    for path in partial.rglob("*.safetensors"):
        path.chmod(0o644)
    if folder.exists():
        shutil.rmtree(folder)
    partial.rename(folder)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=dit.CHECKPOINT)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--last", action="store_true", help="last weights instead of the average")
    args = parser.parse_args(arguments)
    export(args.checkpoint, args.folder, averaged=not args.last)


if __name__ == "__main__":
    main()
