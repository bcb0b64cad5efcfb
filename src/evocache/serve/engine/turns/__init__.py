"""Whose turn it is, what is computed together, and what it costs.

In: calls that wait, and what jobs say for themselves. Out: an order, batches, their outputs, prices.

- `order`: deadlines, shares of users, response ratios
- `batches`, `pieces`, `pausing`: calls of a kind as one; a call of many rows as several; one that stops on its way
- `gains`: whether calls of a kind cost less together
- `admission`: who of those that are queued begins next
- `prices`: seconds of a kind of calls
- `reservations`, `call_plans`, `known_plans`: bytes of jobs, and what of them can be saved

Imports runtime and below; it knows neither jobs nor threads.
"""
