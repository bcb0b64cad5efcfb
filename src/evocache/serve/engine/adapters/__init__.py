"""Adapters on shared modules: which of them act is each request's own.

In: components with adapters of PEFT, and which a request names. Out: components whose layers say so.

- `layers`: the layers of one component that adapters stand on
- `switch`: those of all components of an engine

Imports loading and below; it knows neither jobs nor turns.
"""
