"""The OpenAPI document of an application: its routes, the error bodies, the API key."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.problems import ErrorBody, Problem


def describe(
    app: FastAPI,
    security: dict[str, Any] | None = None,
    schemes: Mapping[str, dict[str, Any]] | None = None,
) -> None:
    """Make the document of `app` complete.

    `security` is what every route needs, if given; `schemes` are other ways to show an API key.
    """
    app.openapi = partial(_document, app, security, schemes or {})  # type: ignore[method-assign]  # FastAPI is extended so


def _document(
    app: FastAPI, security: dict[str, Any] | None, schemes: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, summary=app.summary, routes=app.routes
        )
        _drop_unused(document)
        components = document.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        for model in (ErrorBody, Problem):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= schema.pop("$defs", {})
            schemas[model.__name__] = schema
        components["securitySchemes"] = {
            "apiKey": {"type": "http", "scheme": "bearer", "bearerFormat": "tb_live_…"},
            **schemes,
        }
        if security is not None:
            document["security"] = [security]
        app.openapi_schema = document
    return app.openapi_schema


def _drop_unused(document: dict[str, Any]) -> None:
    """Leave out what the framework says of wrong parameters: they are answered with 400."""
    for operations in document["paths"].values():
        for operation in operations.values():
            content = operation["responses"].get("422", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema", {})
            if schema.get("$ref", "").endswith("/HTTPValidationError"):
                del operation["responses"]["422"]
    schemas = document.get("components", {}).get("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
