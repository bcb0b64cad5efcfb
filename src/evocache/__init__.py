"""evocache: diffusers pipelines that compute fewer features."""
