"""How things move in the zoo's videos, and how to ask for it: a caption of `prompts` and words for the motion."""

from __future__ import annotations

import random

from evocache.errors import ZooError
from evocache.zoo import prompts

#: The words that ask for each motion; the last word alone tells them apart.
MOTIONS: tuple[str, ...] = (
    "moving left",
    "moving right",
    "moving up",
    "moving down",
    "turning clockwise",
    "turning counterclockwise",
    "growing",
    "shrinking",
)

#: What a caption without words for a motion asks for.
STILL = "still"

#: Frames of a video as trained on.
FRAMES = 8


def caption(name: str, background: str, motion: str, template: int = 0) -> str:
    """Return the prompt that asks for a class on a background in a motion; no words are added for `STILL`."""
    text = prompts.caption(name, background, template)
    return text if motion == STILL else f"{text} {motion}"


def parse(prompt: str) -> str:
    """Return the motion that a prompt asks for; `STILL` if it names none."""
    name, _ = prompts.parse(prompt)
    words = prompts.words(prompt).replace(prompts.words(name), " , ", 1).split()
    found = [motion for motion in MOTIONS if motion.split()[-1] in words]
    if len(found) > 1:
        raise ZooError(
            given=f"the prompt {prompt!r}, which asks for {' and '.join(found)}",
            expected="one motion",
            mend=f"write for instance {caption('fox', 'light blue', MOTIONS[0])!r}",
        )
    return found[0] if found else STILL


def sample_prompts(n: int, seed: int, held_out: bool = False) -> list[str]:
    """Draw n prompts, classes, backgrounds and motions evenly; each names a motion.

    Only combinations of class and background never trained on if `held_out`, else only trained ones.
    """
    rng = random.Random(seed)
    order: list[str] = []
    while len(order) < n:
        order += rng.sample(MOTIONS, len(MOTIONS))
    return [f"{text} {motion}" for text, motion in zip(prompts.sample_prompts(n, seed, held_out), order, strict=False)]


#: Eight prompts, one for each motion.
DEMO_PROMPTS: tuple[str, ...] = tuple(
    caption(name, background, motion)
    for (name, background), motion in zip(
        (
            ("fox", "light blue"),
            ("rocket", "navy"),
            ("balloon", "yellow"),
            ("snowflake", "pink"),
            ("guitar", "white"),
            ("pizza", "lavender"),
            ("strawberry", "light green"),
            ("ghost", "gray"),
        ),
        MOTIONS,
        strict=True,
    )
)
