"""What is asked for as the record of a new job."""

from __future__ import annotations

import time

from ..jobs.record import JobRecord, Kind
from ..requests.fit import count_pixels
from ..requests.identity import Identity
from ..requests.request import GenerationRequest
from ..workers.card import ModelCard
from .request_text import write_request

BYTES_PER_PIXEL = 1.5
"""Room that a result is expected to take; most take a half of it."""


def new_record(
    id: str,
    kind: Kind,
    asked: GenerationRequest,
    who: Identity,
    card: ModelCard,
    seed: int,
    pictures: str | None = None,
    remixed_from: str | None = None,
) -> JobRecord:
    """Return the record of a job that is queued now.

    Args:
        id: of the job.
        kind: what it makes.
        asked: what is asked for.
        who: who asks.
        card: of the model.
        seed: of the first picture.
        pictures: text of what was given with it, which is kept apart; its room is counted here.
        remixed_from: id of the job that it is made from.
    """
    pixels = asked.count * count_pixels({**card.defaults, **asked.arguments})
    request = write_request(asked)
    return JobRecord(
        id=id,
        kind=kind,
        tenant=who.tenant,
        owner=who.key,
        user=who.user,
        model=asked.model,
        request=request,
        seed=seed,
        created=time.time(),
        bytes=int(BYTES_PER_PIXEL * pixels) + len(request) + len(pictures or ""),
        remixed_from=remixed_from,
    )
