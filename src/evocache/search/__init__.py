"""Searching for schedules: evolution of a Pareto front over quality, latency and memory."""
