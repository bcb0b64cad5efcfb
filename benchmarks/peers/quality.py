"""The stage that measures quality, work and memory: one contender after the other, each checkpointed."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from benchmarks.peers.checkpoint import Checkpoint, key_of
from benchmarks.peers.contender import UNCACHED, Contender, Session
from benchmarks.peers.generate import OTHER_SEEDS, Bench, Pictures
from benchmarks.peers.watch import ChangedError, pristine
from evocache.metrics import frechet_distance, latent_error, psnr
from evocache.zoo.judge import Judge

BEST_DB = 100.0
"""A picture without any error counts as this many decibels, so that means stay finite."""


class Quality:
    """Quality of contenders against the uncached pictures of the same prompts and seeds.

    Args:
        bench: pipeline, prompts and seeds.
        checkpoint: where results are kept.
    """

    def __init__(self, bench: Bench, checkpoint: Checkpoint) -> None:
        self.bench, self.checkpoint = bench, checkpoint
        self.judge = Judge.load()
        self._references: tuple[Pictures, Any] | None = None

    def run(self, contenders: Sequence[Contender]) -> dict[str, dict[str, Any]]:
        """Results by name; those in the checkpoint are not measured again."""
        results = {}
        for number, contender in enumerate(contenders, 1):
            key = self._key(contender)
            found = self.checkpoint.find(key)
            if found is None:
                found = self._measured(contender)
                self.checkpoint.add(key, found)
            results[contender.name] = {name: value for name, value in found.items() if name != "key"}
            shown = found.get("error") or f"{found['psnr']} dB, {found['executed']:.3f} executed"
            print(f"quality {number}/{len(contenders)} {contender.name}: {shown}", flush=True)
        return results

    def known(self, contenders: Sequence[Contender]) -> dict[str, dict[str, Any]]:
        """Results of those that have been measured."""
        found = {contender.name: self.checkpoint.find(self._key(contender)) for contender in contenders}
        return {name: {k: v for k, v in line.items() if k != "key"} for name, line in found.items() if line}

    def _key(self, contender: Contender) -> str:
        return key_of(
            name=contender.name,
            family=contender.family,
            steps=contender.steps,
            settings=contender.settings,
            prompts=len(self.bench.prompts),
            batch=self.bench.batch,
            versions=[version(name) for name in ("torch", "diffusers", "cache-dit")],
        )

    def _measured(self, contender: Contender) -> dict[str, Any]:
        pipe = self.bench.pipe
        pictures, error, left = None, None, set[str]()
        before = self.bench.fingerprint()
        with pristine(pipe, pipe.transformer, left):
            try:
                with contender.on(pipe) as session:
                    pictures = self.bench.all(session, contender.steps)
            except Exception as exception:  # whatever a peer raises is its result
                error = f"{type(exception).__name__}: {str(exception)[:300]}"
        if not torch.equal(before, self.bench.fingerprint()):
            raise ChangedError(f"after {contender.name} was taken off, the uncached pipeline generates something else")
        if pictures is None:
            return {"error": error, "left behind": sorted(left)}
        return {**self._figures(contender, pictures), "left behind": sorted(left)}

    def _figures(self, contender: Contender, own: Pictures) -> dict[str, Any]:
        reference, floor = self._reference()
        same = bool(np.array_equal(own.latents, reference.latents))
        score = self.judge.score(own.images, self.bench.prompts)
        decibels = psnr(own.images, reference.images).clip(max=BEST_DB)
        return {
            "psnr": round(float(decibels.mean()), 3),
            "psnr of each": [round(float(value), 3) for value in decibels],
            "latent psnr": round(float(latent_error(own.latents, reference.latents).psnr.clip(max=BEST_DB).mean()), 3),
            "prompt accuracy": round(score.top1, 4),
            "background accuracy": round(score.background, 4),
            "frechet": round(self._frechet(self.judge.features(own.images), floor), 3),
            "executed": round(own.multiply_adds / reference.multiply_adds, 4),
            "cached bytes": own.peak_bytes // self.bench.batch,
            "no-op": same and contender.family != UNCACHED,
        }

    def _reference(self) -> tuple[Pictures, Any]:
        if self._references is None:
            others = self.bench.all(Session(), first_seed=OTHER_SEEDS)
            self._references = self.bench.all(Session()), self.judge.features(others.images)
        return self._references

    def _frechet(self, own: Any, floor: Any) -> float:
        # Few prompts make the covariance singular: then distances compare only within one run.
        return float(frechet_distance(own, floor, singular=True))
