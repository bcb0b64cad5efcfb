"""Where cached features live."""

from .store import FeatureStore, Stale

__all__ = ["FeatureStore", "Stale"]
