"""Serving many generations at once.

In: requests. Out: what pipelines make of them.

- `engine`: runs unmodified pipelines step by step, many generations at a time
- `workers`: engines in processes of their own, supervised

Imports all below it, and nothing of the command line.
"""
