"""Policies that need a number of steps and nothing else; one published method a file.

In: a component tree and a number of steps. Out: a schedule.

Each file names its paper, and says in what it departs from it. A policy is a frozen dataclass; its parameters are those
of its spec (`fora:3`).

Imports `policies.base` and the schedule; no calibrated policy, no gate, no torch.
"""
