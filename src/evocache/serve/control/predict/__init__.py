"""Predicting: how many seconds of a worker a task takes, and how fast the workers are.

In: cards of models, tasks, and what tasks took. Out: seconds.

- `base_seconds`: what a card says of a task
- `pace`: how much longer generations of a model take than its card says, alone and in company; learned
- `predictor`: both of this, and what points and sizes of their own differ by
- `capacity`: how many predicted seconds the workers do in a second; learned

Imports the contracts of workers.
"""
