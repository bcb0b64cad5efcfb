"""Audit: a share of what was made at points of fronts is made once more uncached, and compared.

In: runs that are over, and what they gave. Out: measured qualities of points, beside those that fronts predict.

- `samples`: what waits to be compared, in memory alone, little of it and not for long
- `comparison`: how far a picture or film is from the uncached one, as fronts say it
- `figures`: what was measured of each point, of each key and of all
- `audit`: draws samples, has them made while nothing else is to be done, and compares

Imports control, requests, the contracts of workers, and the measure of fronts; no torch.
"""
