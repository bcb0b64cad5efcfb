"""Gates: published methods that decide while the pipeline runs whether a step is computed.

In: numbers that say by how much something changed. Out: a decision a step, which is recorded as a schedule.

Each file is one published method and names its paper. What is measured, and on which tensors, is done by
`runtime.gates`; here are thresholds and rules alone.

Imports `policies.base`; no torch, no runtime.
"""
