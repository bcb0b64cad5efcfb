"""Memory of video pipelines."""
