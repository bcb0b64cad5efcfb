"""Benchmarks: each writes JSON to `results/`, with the machine, versions, commit and seeds it was measured with."""
