"""States of the process's random number generators, as one generation has them while it runs."""

from __future__ import annotations

import ctypes
import random
from typing import Any

import numpy as np
import torch

random_module: Any = np.random
"""With functions that numpy's type hints do not name."""

MT19937_BYTES = 2500
"""Bytes of the state of numpy's Mersenne twister: 624 words and the place among them."""


class NumpyState:
    """numpy's global generator: a bit generator of one's own is put in, so that its long state is not copied.

    What it keeps beside the bits, the second of a pair of normal numbers, is read where it may have changed: where bits
    were drawn, or such a number was kept.

    Args:
        bits: the bit generator; the one that numpy has, if it is not given.
    """

    def __init__(self, bits: Any = None) -> None:
        self.bits = random_module.get_bit_generator() if bits is None else bits
        twister = isinstance(self.bits, np.random.MT19937)
        self._address = self.bits.ctypes.state_address if twister else None
        self._whole: Any = None
        self._seen: bytes | None = None

    def enter(self) -> None:
        """Let numpy draw from it."""
        random_module.set_bit_generator(self.bits)
        if self._whole is not None:
            np.random.set_state(self._whole)
        self._seen = self._look()

    def leave(self) -> None:
        """Remember how far it is; another comes."""
        if self._whole is not None or self._seen is None or self._look() != self._seen:
            whole: Any = np.random.get_state(legacy=False)
            self._whole = whole if whole["has_gauss"] else None

    def _look(self) -> bytes | None:
        return None if self._address is None else ctypes.string_at(self._address, MT19937_BYTES)


class RandomStates:
    """The states of `random`, numpy, torch and its CUDA devices.

    Args:
        numpy: numpy's.
    """

    def __init__(self, numpy: NumpyState) -> None:
        self.numpy = numpy
        self._python: Any = None
        self._torch: torch.Tensor | None = None
        self._cuda: list[torch.Tensor] = []

    def seed(self, seed: int) -> None:
        """Let the process draw from these from now on, as after a seed."""
        self.numpy.enter()
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.default_generator.manual_seed(seed)
        if torch.cuda.is_available():
            torch.cuda.manual_seed_all(seed)

    def enter(self) -> None:
        """Let the process draw from these."""
        self.numpy.enter()
        random.setstate(self._python)
        assert self._torch is not None
        torch.default_generator.set_state(self._torch)
        for generator, state in zip(_cuda_generators(), self._cuda, strict=False):
            generator.set_state(state)

    def leave(self) -> None:
        """Remember how far they are; others come."""
        self.numpy.leave()
        self._python = random.getstate()
        self._torch = torch.default_generator.get_state()
        self._cuda = [generator.get_state() for generator in _cuda_generators()]


def _cuda_generators() -> tuple[torch.Generator, ...]:
    """The generators of CUDA devices; none before CUDA is used."""
    devices: Any = torch.cuda
    return tuple(devices.default_generators) if devices.is_initialized() else ()
