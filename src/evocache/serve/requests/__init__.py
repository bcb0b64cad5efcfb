"""Requests: what is asked for, by whom, and what is answered, apart from any protocol.

In: values that a protocol has parsed. Out: requests that fit a model, and accounts of what was done.

- `identity`: who asks
- `request`: what is asked for, and the wishes beside it
- `fit`: whether a model takes it
- `answer`: what is made, and the account of how
- `encode`: pictures as files
- `failures`: how requests end without an answer

Imports the task and card of workers, and the wishes of control.
"""
