"""The API's documentation as a plain page made from the OpenAPI document: no script, no network."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

_NO_STORE = {"Cache-Control": "no-store"}
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 0 auto; padding: 1rem; }
h2 { margin-top: 2.5rem; font-size: 1.1rem; overflow-wrap: anywhere; }
h2 .method { font-weight: 400; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid #8885; border-radius: 4px; }
code, pre { font: .85rem/1.45 ui-monospace, monospace; }
dt { font-weight: 600; }
dd { margin: 0 0 .5rem 1.5rem; }
"""


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Return the page."""
    return HTMLResponse(render(request.app.openapi()), headers=_NO_STORE)


@router.get("/docs/style.css")
async def style() -> Response:
    """Return its style sheet: the content security policy allows none in the page."""
    return Response(_STYLE, media_type="text/css", headers={"Cache-Control": "no-cache"})


def render(document: Mapping[str, Any]) -> str:
    """Return the OpenAPI `document` as one HTML page."""
    operations = "".join(
        _operation(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    info = document["info"]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])} API</title>"
        '<link rel="icon" href="/icon.svg">'
        '<link rel="stylesheet" href="/docs/style.css"></head><body>'
        f"<h1>{escape(info['title'])} API {escape(info['version'])}</h1>"
        f"{_paragraphs(info['description'])}"
        '<p><a href="/openapi.json">openapi.json</a> says the same to programs.</p>'
        f"{operations}</body></html>"
    )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    return (
        f'<h2><span class="method">{escape(method.upper())}</span> {escape(path)}</h2>'
        f"{_paragraphs(operation.get('description', ''))}"
        f"{''.join(_parameters(operation.get('parameters', ())))}"
        f"{''.join(_bodies('Body', operation.get('requestBody', {})))}"
        f"{''.join(_answers(operation['responses']))}"
    )


def _parameters(parameters: Any) -> Iterator[str]:
    if parameters:
        yield "<h3>Parameters</h3><dl>"
        for parameter in parameters:
            yield f"<dt><code>{escape(parameter['name'])}</code> ({escape(parameter['in'])})</dt>"
            yield f"<dd>{_marked(parameter.get('description', ''))} {_limits(parameter)}</dd>"
        yield "</dl>"


def _limits(parameter: Mapping[str, Any]) -> str:
    schema = parameter["schema"]
    kinds = [schema, *schema.get("anyOf", ())]
    words = [f"{name}: {kind[key]}" for kind in kinds for key, name in _LIMITS if key in kind]
    words += [f"one of {', '.join(map(str, kind['enum']))}" for kind in kinds if "enum" in kind]
    return f"<small>{escape('; '.join(words))}</small>" if words else ""


_LIMITS = (
    ("minimum", "at least"),
    ("maximum", "at most"),
    ("maxLength", "longest"),
    ("default", "default"),
)


def _answers(responses: Mapping[str, Any]) -> Iterator[str]:
    for status, response in responses.items():
        yield f"<p><strong>{escape(status)}</strong> {_marked(response['description'])}</p>"
        if status.startswith("2"):
            yield from _bodies("", response)


def _bodies(title: str, holder: Mapping[str, Any]) -> Iterator[str]:
    for media_type, content in holder.get("content", {}).items():
        if title:
            yield f"<h3>{escape(title)} ({escape(media_type)})</h3>"
        if (example := content.get("example")) is not None:
            yield f"<pre>{escape(_pretty(example))}</pre>"


def _pretty(example: Any) -> str:
    if isinstance(example, str):
        return example
    return orjson.dumps(example, option=orjson.OPT_INDENT_2).decode()


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{_marked(part)}</p>" for part in text.split("\n\n") if part.strip())


def _marked(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text))


_CODE = re.compile("`+([^`]+)`+")
