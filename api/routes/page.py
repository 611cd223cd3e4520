"""The page of dashboards/web, at ``/``: plain files, nothing of them is made here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

import dashboards

FOLDER = Path(dashboards.__file__).parent / "web"

_KINDS = frozenset({".html", ".js", ".mjs", ".css", ".svg", ".png", ".ico", ".webmanifest"})
_HIDDEN = "node_modules"


class _Files(StaticFiles):
    """Files a browser asks for, from a folder that holds others too."""

    async def get_response(self, path: str, scope: Any) -> Response:
        asked = Path(path)
        if asked.suffix not in _KINDS or _HIDDEN in asked.parts or asked.name.startswith("."):
            raise HTTPException(404)
        response = await super().get_response(path, scope)
        # Without a version in the names, a browser has to ask whether a file is still the same.
        is_page = asked.suffix == ".html"
        response.headers["Cache-Control"] = "no-store" if is_page else "no-cache"
        return response


def router(folder: Path = FOLDER) -> APIRouter:
    """Return the routes of the files in `folder`; a folder that is missing answers 404."""
    files = _Files(directory=folder, check_dir=False)
    routes = APIRouter(include_in_schema=False)

    # No mount: it would swallow wrong methods of the API's own addresses.
    @routes.get("/{path:path}")
    async def page(path: str, request: Request) -> Response:
        if not folder.is_dir():
            raise HTTPException(404)
        return await files.get_response(path or "index.html", request.scope)

    return routes
