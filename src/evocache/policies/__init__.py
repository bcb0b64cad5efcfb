"""Policies: published caching methods, each a short recipe that yields a schedule for any model, or a gate."""

from .base import Policy
from .dbcache import DBCache
from .deepcache import DeepCache
from .easycache import EasyCache
from .fbcache import FirstBlockCache
from .fora import Fora
from .gate import Gate
from .none import NoCache
from .smoothcache import SmoothCache
from .spec import POLICIES, is_spec, parse
from .steps import Steps
from .taylorseer import TaylorSeer
from .teacache import TeaCache
from .tgate import TGate

__all__ = [
    "POLICIES",
    "DBCache",
    "DeepCache",
    "EasyCache",
    "FirstBlockCache",
    "Fora",
    "Gate",
    "NoCache",
    "Policy",
    "SmoothCache",
    "Steps",
    "TGate",
    "TaylorSeer",
    "TeaCache",
    "is_spec",
    "parse",
]
