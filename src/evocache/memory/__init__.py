"""Where cached features live."""

from .store import FeatureStore, Stale, version
from .swapping.transfer_tape import Tape

__all__ = ["FeatureStore", "Stale", "Tape", "version"]
