"""Where cached features live."""

from .store import FeatureStore, Stale, version

__all__ = ["FeatureStore", "Stale", "version"]
