"""Which versions a figure or a picture depends on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("evocache", "torch", "diffusers", "transformers", "numpy")


def read_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that outputs depend on, as far as they are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
