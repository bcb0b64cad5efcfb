"""What the holder of a key sees of itself: `GET /v1/usage`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from ...control.shares import Owner
from ...observe.tallies import Place, Tally
from ...observe.tally_store import KEEP_DAYS
from ...requests.identity import Identity
from ...service import Service
from ..parts import caller, service_of

router = APIRouter()


class Sums(BaseModel):
    """Requests, pictures and films, and seconds of workers; those that were saved are an estimate."""

    requests: int
    made: int
    exact: int
    joined: int
    refused: int
    failed: int
    seconds_computed: float
    seconds_saved: float


class DayOfModel(Sums):
    """Sums of one day, by UTC, and one model; of what was not let in the model is empty."""

    date: date
    model: str


class QuotaLeft(BaseModel):
    """What is left of a part of a quota, and seconds until all of it is there again."""

    of: str
    limit: float
    remaining: float
    reset_seconds: float


class UsageBody(BaseModel):
    """What a key asked for and got."""

    object: Literal["usage"] = "usage"
    days: int
    data: list[DayOfModel]
    total: Sums
    quota: list[QuotaLeft]


@router.get("/v1/usage")
async def usage(
    service: Annotated[Service, Depends(service_of)],
    who: Annotated[Identity, Depends(caller)],
    days: Annotated[int, Query(ge=1, le=KEEP_DAYS)] = 30,
) -> UsageBody:
    """Tell what the calling key asked for and got, by day and model."""
    sums = await service.observer.book.read(who.tenant, who.key, days)
    left = service.quota_left(Owner(who.tenant, who.key))
    return UsageBody(
        days=days,
        data=[DayOfModel(date=_date(place), model=place.model, **_values(one)) for place, one in sums],
        total=Sums(**_values(_total(one for _, one in sums))),
        quota=[
            QuotaLeft(of=one.of, limit=one.limit, remaining=round(one.remaining, 3), reset_seconds=round(one.reset, 1))
            for one in left
        ],
    )


def _date(place: Place) -> date:
    return date(1970, 1, 1) + timedelta(days=place.day)


def _total(sums: Iterable[Tally]) -> Tally:
    total = Tally()
    for one in sums:
        total.add(one)
    return total


def _values(of: Tally) -> dict[str, Any]:
    values = dict(vars(of))
    computed, saved = values.pop("computed"), values.pop("saved")
    return {**values, "seconds_computed": round(computed, 3), "seconds_saved": round(saved, 3)}
