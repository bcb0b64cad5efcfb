"""What schedules cost, predicted. Pure but for the rates of this machine.

In: measures of components, or of the machine. Out: seconds, operations and bytes of a schedule.

- `schedule_cost`: prices by component
- `latency_model`: seconds as a weighted sum, and how accurate they are
- `hardware_rates`: what moves, launches and quantization take here

Imports the schedule, `memory.hardware`; no calibration, no evaluation.
"""
