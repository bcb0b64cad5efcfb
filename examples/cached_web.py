"""A web application whose answers are cached, and learned from, per user."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI
from fastapi.testclient import TestClient

from evocache import cached

app = FastAPI()


@cached(max_bytes="64MB", owner="user", group="month")
async def totals(user: str, month: str) -> dict[str, float]:
    """Return what a user sold in a month; a slow query in real life."""
    await asyncio.sleep(0.05)
    return {"user": len(user), "month": float(month[-2:])}


@app.get("/totals/{user}/{month}")
async def show(user: str, month: str) -> dict[str, float]:
    """Answer a request."""
    return await totals(user, month)


def main() -> None:
    """Ask as a browser would; with `uvicorn cached_web:app` it is served."""
    with TestClient(app) as client:
        for user, month in [("ada", "2026-10"), ("ada", "2026-11"), ("bob", "2026-11"), ("ada", "2026-11")]:
            print(client.get(f"/totals/{user}/{month}").json())
    print(totals.cache)


if __name__ == "__main__":
    main()
