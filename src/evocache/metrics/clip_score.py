"""CLIP score: how well images fit their prompts, by a CLIP model (Radford et al. 2021, arXiv 2103.00020)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from .checks import Floats, MetricError
from .picture_arrays import as_pictures

BATCH = 16
"""Images judged at a time."""


class ClipScore:
    """The model's own logit of each image with its prompt: `exp(logit scale) * cosine`.

    With OpenAI's models that is 100 times the cosine, the usual CLIP score. Rewards that are fine-tuned CLIP models
    define their score the same way: PickScore (arXiv 2305.01569, eq. 2) and HPS (arXiv 2306.09341).

    Args:
        model: a transformers CLIPModel.
        tokenizer: its tokenizer.
        images: its image processor.
    """

    def __init__(self, model: Any, tokenizer: Any, images: Any) -> None:
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.images = images
        self.tokens = int(model.config.text_config.max_position_embeddings)
        """Most tokens of a prompt; what is beyond is cut off."""

    @classmethod
    def load(cls, model: str, *, device: str = "cpu") -> ClipScore:
        """Return the CLIP model in a folder, or of a hub id.

        Raises:
            MetricError: if there is none.
        """
        import transformers

        # Where there is no torchvision, transformers 5 has an image processor of another name.
        processor = getattr(transformers, "CLIPImageProcessorPil", None) or transformers.CLIPImageProcessor
        try:
            found = transformers.CLIPModel.from_pretrained(model)
            tokenizer = transformers.AutoTokenizer.from_pretrained(model)
            return cls(found.to(device), tokenizer, processor.from_pretrained(model))
        except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            given = f"CLIP model {model!r} ({lines[0][:120]})"
            expected = "a folder with model, tokenizer and preprocessor_config.json, or a hub id"
            raise MetricError(given, expected, "save all three with save_pretrained, or check the id") from error

    @torch.no_grad()
    def __call__(self, images: npt.ArrayLike, prompts: Sequence[str]) -> Floats:
        """Scores (n,) of images (n, height, width, 3) in [0, 1] and their prompts, higher is better.

        Raises:
            MetricError: if these are not images, or not as many as prompts.
        """
        pictures = as_pictures(images, prompts)
        parts = [
            self._scores(pictures[i : i + BATCH], list(prompts[i : i + BATCH])) for i in range(0, len(prompts), BATCH)
        ]
        return np.concatenate(parts)

    def _scores(self, pictures: list[Any], prompts: list[str]) -> Floats:
        words = self.tokenizer(prompts, padding=True, truncation=True, max_length=self.tokens, return_tensors="pt")
        pixels = self.images(images=pictures, return_tensors="pt")["pixel_values"]
        device, dtype = self.model.device, self.model.dtype
        out = self.model(
            input_ids=words["input_ids"].to(device),
            attention_mask=words["attention_mask"].to(device),
            pixel_values=pixels.to(device, dtype),
        )
        cosine = (out.image_embeds * out.text_embeds).sum(dim=-1)  # both have length 1
        scores: Floats = (self.model.logit_scale.exp() * cosine).double().cpu().numpy()
        return scores
