"""Whose turn it is, what is computed together, and what it costs.

In: calls that wait, and what jobs say for themselves. Out: an order, batches, their outputs, prices.

- `order`: deadlines, shares of users, response ratios
- `batches`, `pieces`: calls of a kind as one; a call of many rows as several
- `admission`: who of those that are queued begins next
- `prices`, `reservations`, `call_plans`: seconds of a kind of calls; bytes of jobs; what of a call can be saved

Imports runtime and below; it knows neither jobs nor threads.
"""
