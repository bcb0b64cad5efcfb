"""Executing a schedule in a live pipeline.

In: a pipeline, and what is applied to it. Out: an accelerated pipeline and its handle; outputs; what a generation did.

- `apply`, `handle`, `pipeline_state`: what a user holds, and what an accelerated pipeline holds
- `open_call`, `generation`, `clock`: what one call of a pipeline needs; its course; which step a denoiser call is
- `runner`, `call_memory`, `compiled`: what makes calls, plans their memory, and keeps schedules and plans
- `call_context`, `call_key`, `lru`: what tells calls apart
- `calls`, `results`: a denoiser call; what a generation did, and what is said of it
- `choice`: from what a user asks for to what is applied
- `program`, `attach`, `ops`, `gates`: tables, interception, operations, decisions
- `estimate`, `survey`: what a call holds and computes, before it is made

Imports video, memory, policies and below; no metrics, no search.
"""

from .apply import apply
from .call_context import context_of
from .handle import Handle
from .results.stats import Stats

__all__ = ["Handle", "Stats", "apply", "context_of"]
