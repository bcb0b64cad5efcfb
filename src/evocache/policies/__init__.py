"""Policies: published caching methods, each a short recipe that yields a schedule for any model."""

from .base import Policy
from .deepcache import DeepCache
from .fora import Fora
from .none import NoCache
from .smoothcache import SmoothCache
from .spec import POLICIES, is_spec, parse
from .steps import Steps
from .taylorseer import TaylorSeer
from .tgate import TGate

__all__ = [
    "POLICIES",
    "DeepCache",
    "Fora",
    "NoCache",
    "Policy",
    "SmoothCache",
    "Steps",
    "TGate",
    "TaylorSeer",
    "is_spec",
    "parse",
]
