"""The weights that the package begins with, evolved on 8 to 22 workloads of a kind, 30 generations of CMA-ES.

`python -m training.usage.weights` evolves such sets; these came from the same search on draws of its first version.
"""

from __future__ import annotations

from .weights import Weights

SHIPPED = {
    "people": Weights(-2.45, -1.96, -0.37, -3.77, -0.18, 2.26, -7.21, -0.05, 0.65, 1.04),
    "popular": Weights(0.18, 2.7, -0.23, -1.34, 3.05, -0.94, -9.03, -0.12, 0.55, 0.73),
    "loop": Weights(-1.71, -1.08, -7.51, 0.7, 6.72, 2.9, -6.63, 0.97, 6.97, 8.17),
}
"""By what they were evolved on: users with habits and drifting interests, keys whose popularity stays, loops."""
