"""Calibration: what components cost and how their features drift, from a few generations.

In: a pipeline and a workload. Out: a `Calibration`, and the file that keeps it.

- `calibrate`, `calibration_file`: the measurement and its file
- `feature_samples`, `drift`: samples of features, and how far they move
- `schedule_timing`, `random_schedules`: the latency model's data
- `magnitude_ratios`: what MagCache goes by

Imports evaluation, costs and the runtime; no evolution, no seeds.
"""
