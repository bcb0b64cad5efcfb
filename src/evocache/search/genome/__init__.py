"""What a search varies, and how it is inherited. Pure.

In: schedules and what a model's tree allows. Out: designs, mutated and crossed.

- `search_space`: groups of components that are worth acting on together
- `variation`: mutation and crossover of schedules
- `memory_genes`: genes of memory beside the schedule
- `step_counts`: which numbers of steps are tried

Imports the schedule; no model, no evaluation, no torch.
"""
