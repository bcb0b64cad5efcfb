"""Published caching methods, each short: policies, which yield a schedule for any model, and gates, which decide later.

In: a component tree and a number of steps, or a spec. Out: a schedule, or a gate, whose decisions make one at run time.

- `spec`: methods as short texts, `fora:3`
- `base`: the contracts
- `static`, `calibrated`, `gates`: the methods, one a file

Imports the schedule; no model, no torch.
"""

from .base.gate import Gate
from .base.policy import Policy
from .calibrated.dpcache import DPCache
from .calibrated.l2c import LearningToCache
from .calibrated.lemica import LeMiCa
from .calibrated.magcache import MagCache
from .calibrated.smoothcache import SmoothCache
from .gates.dbcache import DBCache
from .gates.easycache import EasyCache
from .gates.fbcache import FirstBlockCache
from .gates.teacache import TeaCache
from .spec import POLICIES, is_spec, parse, parse_policy
from .static.deepcache import DeepCache
from .static.deltadit import DeltaDiT
from .static.even_steps import EvenSteps
from .static.fastercache import FasterCache
from .static.fora import Fora
from .static.freqca import FreqCa
from .static.no_cache import NoCache
from .static.pab import PyramidAttentionBroadcast
from .static.steps import Steps
from .static.taylorseer import TaylorSeer
from .static.tgate import TGate

__all__ = [
    "POLICIES",
    "DBCache",
    "DPCache",
    "DeepCache",
    "DeltaDiT",
    "EasyCache",
    "EvenSteps",
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
    "parse_policy",
]
