"""What the zoo's README says of zoo:emoji-unet and zoo:emoji-motion, from their figures, and the strips it shows."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from evocache import zoo
from evocache.zoo import motions
from evocache.zoo.prompts import parse
from training.evaluate_motion import MOTION_GATE, OBJECT_GATE, generate
from training.evaluate_motion import NAME as MOVING
from training.paths import ZOO

STRIPS = ZOO / "sample-motion.png"
ZOOM = 2
WRAP = textwrap.TextWrapper(120, break_on_hyphens=False, break_long_words=False)

UNET = """\
## zoo:emoji-unet

A U-Net in the form of Stable Diffusion on the same latents, for methods that live on skip connections: a plain
`StableDiffusionPipeline`. Its VAE is that of zoo:emoji, taken from its folder. `python -m training.emoji_unet` trains
it.

![Sixteen prompts, {generated[steps]} steps](sample-unet.png)

| generated | pictures | top-1 | top-5 | background |
|---|---|---|---|---|
| combinations seen in training | {seen} |
| combinations never seen | {unseen} |
| both together | {all} |

{generated[steps]} steps, guidance {generated[guidance_scale]}. Frechet distance {generated[frechet]} (other placements
of the real pictures: {generated[frechet_floor]}); the closest rendering is of the asked class for
{generated[nearest_rendering][top1]:.1%}, at a median PSNR of {generated[nearest_rendering][median_psnr_db]} dB. Trained
on {training[unet][samples]:,} samples in {training[unet][minutes]} minutes ({training[unet][hardware]}), half of them
frames of videos with their motion in the caption. Most missed: {missed}.

"""

MOTION = """\
## zoo:emoji-motion

Videos of {generated[frames]} frames in the form of AnimateDiff: motion modules on the frozen zoo:emoji-unet, in a plain
`AnimateDiffPipeline`. Captions say how things move: {words}; a caption without such words asks for a still video.
`python -m training.emoji_motion` trains it and its judge (`evocache.zoo.video_judge`).

![A prompt for each motion, {generated[steps]} steps]({strips})

| what | videos | object | background | motion | all three |
|---|---|---|---|---|---|
| real videos | {real} |
| VAE reconstructions of them | {rebuilt} |
| generated, combinations seen in training | {seen} |
| generated, combinations never seen | {unseen} |
| generated, captions without motion | {still} |
| the same without its motion modules | {silent} |

The judge knows {choices} motions, still among them, so chance is {chance:.0%}. Asked of the weights are an object
accuracy of {object_gate:.0%} and a motion accuracy of {motion_gate:.0%}: {verdict}. By motion: {by_motion}.
{generated[steps]} steps, guidance {generated[guidance_scale]}. Frechet distance of videos, in the judge's 256 features,
{generated[frechet]} (other real videos of the same prompts: {generated[frechet_floor]}). Trained on
{training[motion][samples]:,} videos in {training[motion][minutes]} minutes ({training[motion][hardware]}); its judge on
{training[judge][samples]:,} in {training[judge][minutes]} minutes ({training[judge][hardware]}). Most missed: {missed}.

"""


def cells(score: dict[str, Any]) -> str:
    """The last five cells of a row of the table of videos."""
    return " | ".join(
        [str(score["count"]), *(f"{score[key]:.1%}" for key in ("object", "background", "motion", "all"))]
    )


def _missed(generated: dict[str, Any]) -> str:
    return ", ".join(f"{name} {count}" for name, count in generated["most_missed"].items()) or "none"


def _verdict(score: dict[str, Any]) -> str:
    missed = [name for name, gate in (("object", OBJECT_GATE), ("motion", MOTION_GATE)) if score[name] < gate]
    shares = ", ".join(f"{name} {score[name]:.1%}" for name in ("object", "motion"))
    return f"{shares}, so that of {' and '.join(missed)} is missed" if missed else f"{shares}, both met"


def picture_cells(score: dict[str, Any]) -> str:
    """The last four cells of a row of a table of pictures."""
    return " | ".join([str(score["n"]), *(f"{score[key]:.1%}" for key in ("top1", "top5", "background"))])


def fill(text: str) -> str:
    """Paragraphs wrapped at 120 columns, for figures differ in length; tables and pictures as they are."""
    parts = text.split("\n\n")
    return "\n\n".join(part if part[:1] in "#|!" else WRAP.fill(part) for part in parts)


def sections() -> str:
    """Of each sibling that has been measured."""
    text = ""
    if figures := zoo.find("zoo:emoji-unet").figures:
        generated = figures["generated"]
        text += UNET.format(
            **figures,
            seen=picture_cells(generated["trained_combinations"]),
            unseen=picture_cells(generated["held_out_combinations"]),
            all=picture_cells(generated["all"]),
            missed=_missed(generated),
        )
    if figures := zoo.find(MOVING).figures:
        generated = figures["generated"]
        text += MOTION.format(
            **figures,
            strips=STRIPS.name,
            words=", ".join(motions.MOTIONS),
            real=cells(figures["judge"]["real"]),
            rebuilt=cells(figures["judge"]["reconstructions"]),
            seen=cells(generated["trained_combinations"]),
            unseen=cells(generated["held_out_combinations"]),
            still=cells(generated["still"]),
            silent=cells(generated["without_motion_modules"]),
            choices=len(motions.MOTIONS) + 1,
            chance=1 / (len(motions.MOTIONS) + 1),
            object_gate=OBJECT_GATE,
            motion_gate=MOTION_GATE,
            verdict=_verdict(generated["all"]),
            by_motion=", ".join(f"{name} {share:.0%}" for name, share in generated["by_motion"].items()),
            missed=_missed(generated),
        )
    return fill(text)


def strips() -> Image.Image:
    """A video to the row, its frames from left to right, under its prompt."""
    videos = generate(zoo.load(MOVING), motions.DEMO_PROMPTS, seed=0)
    cell, label, gap = 48 * ZOOM, 16, 4
    rows, columns = videos.shape[:2]
    canvas = Image.new("RGB", (columns * (cell + gap) + gap, rows * (cell + label + gap) + gap), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(11)
    for row, (prompt, video) in enumerate(zip(motions.DEMO_PROMPTS, videos, strict=True)):
        top = gap + row * (cell + label + gap)
        for column, pixels in enumerate(video):
            picture = Image.fromarray((pixels * 255).round().astype(np.uint8))
            canvas.paste(picture.resize((cell, cell), Image.Resampling.NEAREST), (gap + column * (cell + gap), top))
        name, background = parse(prompt)
        draw.text((gap, top + cell + 1), f"{name}, {background}, {motions.parse(prompt)}", fill="black", font=font)
    return canvas
