"""Policies: published caching methods, each a short recipe that yields a schedule for any model, or a gate."""

from .base import Policy
from .dbcache import DBCache
from .deepcache import DeepCache
from .deltadit import DeltaDiT
from .dpcache import DPCache
from .easycache import EasyCache
from .fastercache import FasterCache
from .fbcache import FirstBlockCache
from .fora import Fora
from .freqca import FreqCa
from .gate import Gate
from .l2c import LearningToCache
from .lemica import LeMiCa
from .magcache import MagCache
from .none import NoCache
from .pab import PyramidAttentionBroadcast
from .smoothcache import SmoothCache
from .spec import POLICIES, is_spec, parse
from .steps import Steps
from .taylorseer import TaylorSeer
from .teacache import TeaCache
from .tgate import TGate

__all__ = [
    "POLICIES",
    "DBCache",
    "DPCache",
    "DeepCache",
    "DeltaDiT",
    "EasyCache",
    "FasterCache",
    "FirstBlockCache",
    "Fora",
    "FreqCa",
    "Gate",
    "LeMiCa",
    "LearningToCache",
    "MagCache",
    "NoCache",
    "Policy",
    "PyramidAttentionBroadcast",
    "SmoothCache",
    "Steps",
    "TGate",
    "TaylorSeer",
    "TeaCache",
    "is_spec",
    "parse",
]
