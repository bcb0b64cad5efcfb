"""Where cached features live."""

from .store import FeatureStore, Stale, version
from .tape import Tape

__all__ = ["FeatureStore", "Stale", "Tape", "version"]
