"""What tests of memory share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def no_grad() -> Iterator[None]:
    """No gradients, as pipelines run."""
    with torch.no_grad():
        yield
