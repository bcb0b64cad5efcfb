"""Surveys: what a call of a component would hold, whole and in each exact way of cutting it.

In: a component's call on the meta device. Out: prints for the planner, and the way in which a film is decoded.

- `call_survey`: a denoiser's or decoder's call, unit by unit
- `film_survey`: how a film's frames are decoded, some after others
- `film_output`: frames shown as they are decoded

Imports `memory` and `video.decode`; no generation, no plan.
"""
