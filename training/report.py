"""Write the zoo's README from the figures of its models, and the sample sheets that it shows."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from evocache import zoo
from evocache.zoo.prompts import DEMO_PROMPTS, HELD_OUT_EVERY, is_held_out, parse
from training import siblings
from training.evaluate import FIGURES, generate
from training.paths import ZOO
from training.siblings import picture_cells

SHEETS = {"zoo:emoji": ZOO / "sample.png", "zoo:emoji-unet": ZOO / "sample-unet.png"}
README = ZOO / "README.md"
ZOOM = 3
#: Counted by looking at the sheet; to be counted again after a training.
RECOGNISED = 16

TEXT = """\
# Embedded models

`zoo:emoji` is a PixArt-style latent text-to-image pipeline, trained from scratch by the scripts in `training/` on
Noto Color Emoji: {classes} classes on {backgrounds} plain backgrounds, 48x48 pixels. It exists so that caching can be
tried, tested and evolved on a real trained model in seconds, on a CPU, with no download.

![Sixteen prompts, 20 steps]({sheet})

```python
from evocache import zoo

pipe = zoo.load("zoo:emoji")
image = pipe("fox on a light blue background").images[0]
```

The folder `weights/emoji` is in ordinary diffusers layout:
`diffusers.PixArtAlphaPipeline.from_pretrained` loads it too, with that class's defaults; `zoo.load` gives a subclass
whose call makes 48x48 pixels in 20 steps at guidance 2.5. On the sheet, * marks a combination never trained on.

Counted by eye: {recognised} of 16 are recognisable without reading the label.

## Figures

Written by `python -m training.evaluate`; the judge is a small convolutional network (`weights/judge`) trained on
degraded renderings, never on generated pictures or on reconstructions of this VAE. It knows all {classes} classes, so
chance is {chance:.1%}.

| what | pictures | top-1 | top-5 | background |
|---|---|---|---|---|
| real renderings, flipped and shifted | {real} |
| VAE reconstructions | {rebuilt} |
| generated, combinations seen in training | {seen} |
| generated, combinations never seen | {unseen} |
| generated, both together | {all} |

Generated without caching: {steps} steps of DPM-Solver++ (second order, flow prediction), guidance {guidance}, one
picture a prompt, one seed. Judge top-1 on renderings warped by scale, rotation and shift: {warped:.1%}.
VAE: {psnr} dB PSNR over [0, 1], all pixels. Frechet distance in the judge's 128 features, to real renderings:
reconstructions {frechet_vae}, generated {frechet}, the same real pictures at other placements {floor} (it grows as
pictures get fewer).

The judge forgives soft shapes. A second opinion without a network compares pixels with every class on the asked
background, at every placement of the training data: the closest rendering is of the asked class for
{near_rebuilt[top1]:.1%} of the reconstructions and {near[top1]:.1%} of the generated pictures; the median PSNR to the
closest rendering of the asked class is {near_rebuilt[median_psnr_db]} dB and {near[median_psnr_db]} dB.

| part | parameters | form |
|---|---|---|
| transformer | 7.0 M | PixArtTransformer2DModel, 8 layers, 7 heads of 32, 36 tokens (2x2 patches of 12x12x6 latents) |
| VAE | 1.6 M | AutoencoderKL, channels 32/64/96, f = 4, 6 latent channels |
| text encoder | 0.8 M | T5EncoderModel, 2 layers, width 192, words as tokens |
| judge | 0.4 M | three residual blocks; class head, background head, 128 features |

## Training

Hardware: {training[hardware]}.

| part | samples seen | minutes |
|---|---|---|
| VAE | {training[vae][samples]:,} | {training[vae][minutes]} |
| judge | {training[judge][samples]:,} | {training[judge][minutes]} |
| transformer and text encoder, {training[transformer][steps]:,} steps | {training[transformer][samples]:,} | \
{training[transformer][minutes]} |

`python -m training.emoji` reruns all of it (Debian packages `fonts-noto-color-emoji` and `unicode-data`). One in
{every} combinations of class and background is never shown; `evocache.zoo.prompts.is_held_out` says which.

## Limits

- It knows {classes} things, {backgrounds} backgrounds and the words of their names; other words are one unknown token.
- One object a picture, in the style of one font.
- Classes that the judge took for others, with the number of pictures: {missed}.

{siblings}Glyphs: Noto Color Emoji, SIL Open Font License 1.1. Names: Unicode CLDR.
"""


def sheet(model: str) -> Image.Image:
    """The demo's sixteen prompts, labelled, 4 x 4."""
    images = generate(zoo.load(model), DEMO_PROMPTS, seed=0, model=model)
    cell, label, gap = 48 * ZOOM, 18, 6
    font = ImageFont.load_default(11)
    canvas = Image.new("RGB", (4 * (cell + gap) + gap, 4 * (cell + label + gap) + gap), "white")
    draw = ImageDraw.Draw(canvas)
    for place, (prompt, pixels) in enumerate(zip(DEMO_PROMPTS, images, strict=True)):
        left, top = gap + place % 4 * (cell + gap), gap + place // 4 * (cell + label + gap)
        picture = Image.fromarray((pixels * 255).round().astype(np.uint8))
        canvas.paste(picture.resize((cell, cell), Image.Resampling.NEAREST), (left, top))
        name, background = parse(prompt)
        mark = " *" if is_held_out(name, background) else ""
        draw.text((left, top + cell + 2), f"{name}, {background}{mark}", fill="black", font=font)
    return canvas


def readme() -> str:
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    generated = figures["generated"]
    return TEXT.format(
        sheet=SHEETS["zoo:emoji"].name,
        recognised=RECOGNISED,
        classes=figures["classes"],
        backgrounds=figures["backgrounds"],
        chance=1 / figures["classes"],
        real=picture_cells(figures["judge"]["real"]),
        warped=figures["judge"]["warped_top1"],
        rebuilt=picture_cells(figures["vae"]["reconstructions"]),
        psnr=figures["vae"]["psnr_db"],
        frechet_vae=figures["vae"]["frechet"],
        seen=picture_cells(generated["trained_combinations"]),
        unseen=picture_cells(generated["held_out_combinations"]),
        all=picture_cells(generated["all"]),
        steps=generated["steps"],
        guidance=generated["guidance_scale"],
        near_rebuilt=figures["vae"]["nearest_rendering"],
        near=generated["nearest_rendering"],
        floor=generated["frechet_floor"],
        frechet=generated["frechet"],
        missed=", ".join(f"{name} {count}" for name, count in generated["most_missed"].items()) or "none",
        training=figures["training"],
        every=HELD_OUT_EVERY,
        siblings=siblings.sections(),
    )


def main(models: Sequence[str] = ("zoo:emoji",)) -> None:
    """Draw the sheets of these models, and write the README of all."""
    torch.set_num_threads(2)
    for model in models:
        # Full colour: a palette would hide the noise on the backgrounds.
        if model in SHEETS:
            sheet(model).save(SHEETS[model], optimize=True)
        else:
            siblings.strips().save(siblings.STRIPS, optimize=True)
    README.write_text(readme(), encoding="utf-8")


if __name__ == "__main__":
    main()
