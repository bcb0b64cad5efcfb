"""Plans of calls that hold the same: made once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from ....loading.loras import Loras
from ....model.pipeline_components import list_components
from ....runtime.call_key import call_key, state
from ....runtime.lru import LRU
from ....runtime.program.program import Fixed, resolve
from .call_plans import CallPlans

CALLS = 64
"""How many are remembered."""

Own = Callable[[Any, Loras | None], Any]


class KnownPlans:
    """Remembers what calls hold, of pipelines as they are. Prompts count by how many tokens they have.

    Args:
        own: returns a pipeline that planning may change, on which some LoRAs act.
    """

    def __init__(self, own: Own) -> None:
        self._own = own
        self._known: LRU[object, CallPlans] = LRU(CALLS)

    def of(
        self, shared: Any, arguments: Mapping[str, Any], what: Any, storage: str, loras: Loras | None = None
    ) -> CallPlans:
        """Return the plans of a call.

        Args:
            shared: the pipeline.
            arguments: of the call.
            what: what is applied, as `resolve` takes it.
            storage: the coding that features are stored in.
            loras: those that act; None for what the pipeline's user has set.

        Raises:
            PipelineError: as `CallPlans` does.
            PolicyError, ScheduleError: likewise.
        """
        program = resolve(what)
        applied = (program.given, program.steps) if isinstance(program, Fixed) else program
        counted = {name: _counts(shared, value) if _is_words(name) else value for name, value in arguments.items()}
        key: Hashable = id(shared), state(shared), loras, applied, storage, call_key((), counted)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = CallPlans(self._own(shared, loras), arguments, what, storage)
        return known


def _is_words(name: str) -> bool:
    return "prompt" in name


def _counts(pipe: Any, value: Any) -> Any:
    """A prompt, or a list of them, as the numbers of its tokens."""
    if isinstance(value, (list, tuple)):
        return [_counts(pipe, each) for each in value]
    if not isinstance(value, str):
        return value
    tokenizers = [part for name, part in list_components(pipe).items() if "tokenizer" in name and callable(part)]
    try:
        return [len(tokenizer(value)["input_ids"]) for tokenizer in tokenizers] or value
    except Exception:  # one that takes other things: then each text is like itself alone
        return value
