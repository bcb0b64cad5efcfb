"""Weights that a learning cache begins with: `python -m training.usage.weights`."""
