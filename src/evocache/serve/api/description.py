"""The description of the API as OpenAPI, at `/openapi.json`."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

NEVER = "422"
"""What FastAPI says that routes answer, and ours never do: what is wrong in a request is told with 400."""

UNUSED = ("HTTPValidationError", "ValidationError")


def describe_truly(app: FastAPI) -> None:
    """Have an application describe no answers that it never gives."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        described = describe()
        for operations in described["paths"].values():
            for operation in operations.values():
                operation["responses"].pop(NEVER, None)
        for name in UNUSED:
            described.get("components", {}).get("schemas", {}).pop(name, None)
        return described

    app.openapi = openapi  # type: ignore[method-assign]
