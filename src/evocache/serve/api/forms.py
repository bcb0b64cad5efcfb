"""Forms: fields and files of a multipart body, as a schema takes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile

from .errors import ApiError, of_validation

Body = TypeVar("Body", bound=BaseModel)

FIELDS, FILES = 64, 17
"""Most fields and files of a form."""

Files = dict[str, list[bytes]]
"""Contents by the name of the field, `image[]` as `image`."""


def is_form(request: Request) -> bool:
    """Return whether a request says that its body is a form."""
    return request.headers.get("content-type", "").strip().lower().startswith("multipart/")


async def read_form(request: Request, schema: type[Body], files: Iterable[str]) -> tuple[Body, Files]:
    """Read a form.

    Args:
        request: its body is a form.
        schema: of its fields; texts such as `"7"` and `"true"` are numbers and truths where it wants some.
        files: names of fields that may be files.

    Raises:
        ApiError: if a field is unknown, stands twice, or is not what the schema wants.
    """
    allowed, found, fields = set(files), {}, {}  # type: ignore[var-annotated]
    async with request.form(max_files=FILES, max_fields=FIELDS) as form:
        for name, value in form.multi_items():
            plain = name.removesuffix("[]")
            if isinstance(value, UploadFile):
                if plain not in allowed:
                    raise ApiError(400, f"a file {plain!r}", code="unknown_field", param=plain)
                found.setdefault(plain, []).append(await value.read())
            elif plain in allowed:
                said = f"{plain}: a text; a file is taken, and no address of one"
                raise ApiError(400, said, code="invalid_image", param=plain)
            elif name in fields:
                raise ApiError(400, f"{name} stands twice", code="invalid_value", param=name)
            else:
                fields[name] = value
    return validate(schema, fields), found


def validate(schema: type[Body], fields: dict[str, Any]) -> Body:
    """Return a body of a schema.

    Raises:
        ApiError: if a field is unknown or not what the schema wants.
    """
    try:
        return schema.model_validate(fields)
    except ValidationError as error:
        raise of_validation(error.errors()) from None


def form_body(
    schema: type[BaseModel], files: Iterable[str], required: Iterable[str] = (), *, json_too: bool = False
) -> dict[str, Any]:
    """Describe a form for OpenAPI: fields of a schema, and files beside them; where they may be JSON as well, that."""
    described = schema.model_json_schema(ref_template="#/components/schemas/{model}")
    properties = {**described.get("properties", {}), **{name: {"type": "string", "format": "binary"} for name in files}}
    needed = [*described.get("required", []), *required]
    form = {"type": "object", "properties": properties, "required": needed, "additionalProperties": False}
    content = {
        "multipart/form-data": {"schema": form},
        **({"application/json": {"schema": described}} if json_too else {}),
    }
    return {"requestBody": {"required": True, "content": content}}
