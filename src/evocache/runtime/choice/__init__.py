"""What is applied, from what a user asks for: a speed-up, a quality, memory, or nothing.

In: a pipeline, its denoisers, what was given, and wishes. Out: a schedule, point or policy, and a sentence about it.

- `wishes`: which point of which front, or which policy
- `shipped_front`: the front that lies beside a model's weights
- `untuned`: the policy that is predicted to reach a speed-up, without a front

Imports fronts, policies and `estimate`; changes nothing, and generates nothing.
"""
