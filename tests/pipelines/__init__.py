"""Every pipeline of the installed diffusers, as a tiny instance: does caching reach it?"""

from tests.pipelines import stable_diffusion

_MODULES = (stable_diffusion,)

ROWS = tuple(row for module in _MODULES for row in module.ROWS)

KNOWN_WARNINGS = (
    r"__array__ implementation doesn't accept a copy keyword",
    r"`callback(_steps)?` is deprecated",
)
