"""CLIP tokenizer whose tokens are the words of the captions, and the small CLIP text encoder of the U-Net."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from itertools import pairwise, product
from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from evocache.zoo import motions
from evocache.zoo.prompts import BACKGROUNDS, CLASSES, TEMPLATES
from training.moving import KINDS

#: Tokens of a padded prompt: the longest caption with its start and end, and one to spare.
TOKENS = 16
START, END = "<|startoftext|>", "<|endoftext|>"
WIDTH = 192

Merges = list[tuple[str, str]]


def captions() -> list[str]:
    """Every caption of the training: (classes x backgrounds x motions x templates)."""
    return [
        motions.caption(name, ground, motion, template)
        for name, ground, motion, template in product(CLASSES, BACKGROUNDS, KINDS, range(len(TEMPLATES)))
    ]


def letters(word: str) -> list[str]:
    """The pieces that byte-pair encoding starts from."""
    return [*word[:-1], f"{word[-1]}</w>"]


def merge(pieces: list[str], ranks: dict[tuple[str, str], int]) -> list[str]:
    """Byte-pair encoding of one word (Sennrich et al. 2016): merge the pair of lowest rank, wherever it stands."""
    while True:
        pairs = [pair for pair in pairwise(pieces) if pair in ranks]
        if not pairs:
            return pieces
        best = min(pairs, key=ranks.__getitem__)
        merged: list[str] = []
        for piece in pieces:
            if merged and (merged[-1], piece) == best:
                merged[-1] += piece
            else:
                merged.append(piece)
        pieces = merged


def learn(words: Iterable[str]) -> Merges:
    """Merges under which every word is one token.

    A new merge ranks behind all before it, so the words that are already whole stay whole.
    """
    ranks: dict[tuple[str, str], int] = {}
    for word in words:
        while len(pieces := merge(letters(word), ranks)) > 1:
            ranks[pieces[0], pieces[1]] = len(ranks)
    return list(ranks)


@cache
def _empty() -> CLIPTokenizer:
    return CLIPTokenizer(vocab={START: 0, END: 1}, merges=[])


def split(text: str) -> list[str]:
    """The words of a text as CLIP separates them."""
    backend = _empty().backend_tokenizer
    return [word for word, _ in backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(text))]


@cache
def vocabulary() -> tuple[dict[str, int], tuple[tuple[str, str], ...]]:
    """(token -> number, merges) of all captions: the marks, the letters, then what merges make."""
    # Two templates differ in their fixed words only, so that few captions hold all words.
    short = [motions.caption(name, ground, motion, 0) for name in CLASSES for ground, motion in [("white", KINDS[0])]]
    short += [motions.caption("fox", ground, motion, 0) for ground, motion in product(BACKGROUNDS, KINDS)]
    short += [motions.caption("fox", "white", KINDS[0], template) for template in range(len(TEMPLATES))]
    words = sorted({word for text in short for word in split(text)})
    merges = learn(words)
    characters = sorted({character for word in words for character in word})
    pieces = [*characters, *(f"{character}</w>" for character in characters), *("".join(pair) for pair in merges)]
    return {piece: number for number, piece in enumerate([START, END, *dict.fromkeys(pieces)])}, tuple(merges)


def build_tokenizer() -> CLIPTokenizer:
    """Lower-cased words; a word that training never saw is told by its letters."""
    tokens, merges = vocabulary()
    return CLIPTokenizer(vocab=tokens, merges=list(merges), model_max_length=TOKENS)


def save_vocabulary(folder: Path) -> None:
    """Write vocab.json and merges.txt, the form that older versions of transformers read."""
    tokens, merges = vocabulary()
    (folder / "vocab.json").write_text(json.dumps(tokens, ensure_ascii=False) + "\n", encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def build_encoder() -> CLIPTextModel:
    """1.1 M parameters, 2 layers, width 192."""
    tokens, _ = vocabulary()
    config = CLIPTextConfig(
        vocab_size=len(tokens),
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=6,
        max_position_embeddings=TOKENS,
        bos_token_id=tokens[START],
        eos_token_id=tokens[END],
        pad_token_id=tokens[END],
    )
    # Scaled-dot-product kernels are slower than plain products for 16 tokens on a CPU.
    return CLIPTextModel._from_config(config, attn_implementation="eager")


def encode(texts: list[str]) -> Tensor:
    """Token numbers (n, TOKENS) of texts, padded."""
    found = build_tokenizer()(texts, padding="max_length", max_length=TOKENS, truncation=True)["input_ids"]
    return torch.tensor(found)


def caption_tokens() -> Tensor:
    """(classes, backgrounds, motions, templates, TOKENS)."""
    return encode(captions()).view(len(CLASSES), len(BACKGROUNDS), len(KINDS), len(TEMPLATES), TOKENS)
