"""What a learning cache gains: `python -m benchmarks.usage`."""
