"""The embedded models by name: where each lies, and what its call needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from evocache.errors import ZooError
from evocache.zoo import motions, prompts

if TYPE_CHECKING:
    from evocache.zoo.judge import Judge
    from evocache.zoo.video_judge import VideoJudge

_ROOT = Path(__file__).parent
_WEIGHTS = _ROOT / "weights"


@dataclass(frozen=True)
class Zoo:
    """An embedded model: where it lies, and what to pass to its call unless the user says else."""

    name: str
    folder: Path
    call_defaults: Mapping[str, Any]
    #: The module that trains it, for `python -m`.
    training: str
    #: What was measured of it, written by its training.
    figures_file: Path
    #: The model that lends the parts that its own folder does not hold.
    base: str | None = None
    moving: bool = False

    @property
    def front(self) -> Path:
        """The front that was evolved for it, a file for `Front.load` and `evocache generate --schedule`."""
        return self.folder / "front.json"

    @property
    def is_there(self) -> bool:
        """Whether its weights, and those of its base, are installed."""
        own = (self.folder / "model_index.json").is_file()
        return own and (self.base is None or find(self.base).is_there)

    @property
    def demo_prompts(self) -> tuple[str, ...]:
        """A few prompts of different kinds."""
        return motions.DEMO_PROMPTS if self.moving else prompts.DEMO_PROMPTS

    @property
    def figures(self) -> dict[str, Any]:
        """What was measured of it; empty before it is trained."""
        if not self.figures_file.is_file():
            return {}
        found: dict[str, Any] = json.loads(self.figures_file.read_text(encoding="utf-8"))
        return found

    def judge(self) -> Judge | VideoJudge:
        """Return the network that tells whether its pictures or videos show what was asked for.

        Raises:
            ZooError: if its weights are not there.
        """
        from evocache.zoo.judge import Judge
        from evocache.zoo.video_judge import VideoJudge

        return VideoJudge.load() if self.moving else Judge.load()

    def sample_prompts(self, n: int, seed: int, held_out: bool = False) -> list[str]:
        """Draw n prompts in its vocabulary, of combinations never trained on if `held_out`."""
        sample = motions.sample_prompts if self.moving else prompts.sample_prompts
        return sample(n, seed, held_out)


_SIZE = {"height": 48, "width": 48}

_MODELS = (
    Zoo(
        name="zoo:emoji",
        folder=_WEIGHTS / "emoji",
        call_defaults=MappingProxyType(
            {
                "num_inference_steps": 20,
                "guidance_scale": 2.5,
                **_SIZE,
                # The pipeline's bins and caption cleaning are made for other models.
                "use_resolution_binning": False,
                "clean_caption": False,
                # The longest training caption has 12 tokens; padding is masked.
                "max_sequence_length": 16,
            }
        ),
        training="training.emoji",
        figures_file=_ROOT / "figures.json",
    ),
    Zoo(
        name="zoo:emoji-unet",
        folder=_WEIGHTS / "emoji-unet",
        call_defaults=MappingProxyType({"num_inference_steps": 20, "guidance_scale": 2.5, **_SIZE}),
        training="training.emoji_unet",
        figures_file=_ROOT / "figures-unet.json",
        base="zoo:emoji",
    ),
    Zoo(
        name="zoo:emoji-motion",
        folder=_WEIGHTS / "emoji-motion",
        call_defaults=MappingProxyType(
            {"num_inference_steps": 20, "guidance_scale": 2.5, **_SIZE, "num_frames": motions.FRAMES}
        ),
        training="training.emoji_motion",
        figures_file=_ROOT / "figures-motion.json",
        base="zoo:emoji-unet",
        moving=True,
    ),
)


def names() -> tuple[str, ...]:
    """Return the names of the embedded models whose weights are there.

    >>> zoo.names()
    ('zoo:emoji', 'zoo:emoji-unet', 'zoo:emoji-motion')
    """
    return tuple(model.name for model in _MODELS if model.is_there)


def find(name: str = "zoo:emoji") -> Zoo:
    """Find the entry of a model, be its weights there or not; the prefix `zoo:` may be left out."""
    for model in _MODELS:
        if name in (model.name, model.name.removeprefix("zoo:")):
            return model
    raise ZooError(
        given=f"the zoo model {name!r}",
        expected=f"one of {', '.join(names())}",
        mend="write one of these names, or load other models with diffusers",
    )
