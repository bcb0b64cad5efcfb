"""Optional dependencies: which extra installs them, and the error where one is missing."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from .errors import DependencyError

EXTRAS = {
    "pymoo": "evolve",
    "jinja2": "report",
    "plotly": "report",
    "matplotlib": "report",
    "av": "video",
    "ray": "ray",
    "cmaes": "usage",
    "numba": "usage",
    "river": "usage",
    "sqlalchemy": "usage",
    "alembic": "usage",
    "pg8000": "usage",
    "valkey": "usage",
    "pyarrow": "usage",
    "fastapi": "serve",
    "uvicorn": "serve",
    "prometheus_client": "serve",
    "peft": "serve",
    "opentelemetry": "traces",
}
"""By package, the extra of evocache that installs it."""

NAMES = {
    "av": "PyAV",
    "jinja2": "Jinja2",
    "ray": "Ray",
    "sqlalchemy": "SQLAlchemy",
    "alembic": "Alembic",
    "peft": "PEFT",
}
"""Packages whose modules have other names."""


def optional(module: str) -> Any:
    """Import a module of an optional dependency.

    Args:
        module: its dotted name, such as `matplotlib.figure`.

    Returns:
        The module.

    Raises:
        DependencyError: if its package is not installed; the message has the command that installs it.
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise  # the package is there, and lacks something itself
        extra = EXTRAS[package]
        raise DependencyError(
            f"{NAMES.get(package, package)}, which is not installed",
            f"the extra [{extra}]",
            f'pip install "evocache[{extra}]"',
        ) from None


def installed(package: str) -> bool:
    """Return whether an optional package is there; it is not imported."""
    try:
        return find_spec(package) is not None
    except ImportError:
        return False
