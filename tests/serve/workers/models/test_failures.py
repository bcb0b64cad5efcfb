"""Whose fault an error is, and that what is told of it names no file of the machine."""

from __future__ import annotations

import pytest
import torch

from evocache.errors import BudgetError, GenerationError, InputError, PipelineError
from evocache.serve.workers.models.failures import MOST, clean, describe_failure


@pytest.mark.parametrize(
    ("error", "step", "reason"),
    [
        (ValueError("`height` has to be divisible by 8"), 0, "input"),
        (ValueError("a bad number"), 3, "pipeline"),
        (TypeError("no such argument"), 0, "input"),
        (InputError("a", "b", "c"), 2, "input"),
        (PipelineError("a", "b", "c"), 0, "input"),
        (GenerationError("a", "b", "c"), 0, "pipeline"),
        (BudgetError(1, {"decode": 2}), 0, "memory"),
        (MemoryError(), 0, "memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), 4, "memory"),
        (RuntimeError("shapes cannot be multiplied"), 0, "pipeline"),
        (KeyboardInterrupt(), 0, "pipeline"),
    ],
)
def test_the_fault_is_of_whoever_can_mend_it(error: BaseException, step: int, reason: str) -> None:
    assert describe_failure(error, step).reason == reason


@pytest.mark.parametrize(
    "told",
    [
        "cannot open /home/someone/models/secret.bin: no",
        "in '/usr/lib/python3/site.py', line 3",
        "of ~/.cache/huggingface/hub/models--a",
        r"of C:\Users\someone\model.bin",
        'File "/srv/a b/x.py" (/opt/b/y.py)',
    ],
)
def test_no_path_is_told(told: str) -> None:
    found = clean(OSError(told))
    assert "(a file)" in found
    assert not any(word in found for word in ("someone", "site", "models--a", "srv/", "opt"))


def test_what_is_no_path_is_told_in_one_line_of_bounded_length() -> None:
    assert clean(ValueError("16/9 of image/png at 1/2, and/or http\nFile x")) == (
        "ValueError: 16/9 of image/png at 1/2, and/or http"
    )
    assert len(clean(ValueError("x" * 5000))) < MOST + 20
    assert clean(ValueError("bell \a")) == "ValueError: bell ?"
