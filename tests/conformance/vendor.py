"""A tool server no SDK would write: every message raw, vendor fields everywhere, in one era or the other.

`python -m tests.conformance.vendor --port N --era sessions|stateless`. What it answers stands in
`PAGES`, `CALLS` and `ERRORS`; whatever else it is asked it answers with what it was sent.
"""

from __future__ import annotations

import argparse
import json
from typing import Any, Final

import uvicorn
from mcp.shared.inbound import ERROR_CODE_HTTP_STATUS
from starlette.types import Receive, Scope, Send

from tests.servers.asgi import body_of, reply

JSON = dict[str, Any]
STATELESS = False
ODD_URIS: Final = (
    "HTTP://Example.COM/%7Efoo?q=%C3%A9#Frag",
    "Vendor-Scheme://Host:0080/a/%2e%2E%2f/b",
    "urn:Bücher:Ω≈ç",
    "file:///srv/a%2Fb;v=1?x=+y",
    "x:",
    "test://[::1]/only-host",
    "mixed+Scheme.1://A/b?c=%zz",
)
VENDOR: Final[JSON] = {"x-vendor": {"deep": [1, 1.0, -0.0, 1e20, None, "é\u0000", {"": []}]}}
TRACE: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
BIG: Final = "0123456789abcdef" * (2 * 1024 * 1024 // 16)


def _tool(name: str, **more: Any) -> JSON:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"n": {"type": "integer", "x-unit": "mm", "title": "N"}},
    }
    annotations = {"title": name.title(), "readOnlyHint": True, "vendorHint": 7}
    return {"name": name, "inputSchema": schema, "annotations": annotations, **more, **VENDOR}


def _text(text: str, **more: Any) -> JSON:
    return {"content": [{"type": "text", "text": text}], **more}


CALLS: Final[dict[str, JSON]] = {
    "unknown_content": {
        "content": [
            {"type": "vendor/3d-model", "mesh": {"v": [[0, 0.5, 1]]}, **VENDOR},
            {"type": "text", "text": "t", "annotations": {"priority": 1, "vendor": True}, **VENDOR},
            {"type": "image", "data": "AA==", "mimeType": "image/x-odd", "width": 1},
        ]
    },
    "array_structured": _text("[1]", structuredContent=[1, "two", None, {"x": 1.0}]),
    "null_structured": _text("null", structuredContent=None),
    "number_structured": _text("7", structuredContent=7),
    "false_structured": _text("false", structuredContent=False),
    "vendor_result": _text("v", _meta={"vendor/trace": [1], "progressToken": "mine"}, **VENDOR),
    "tool_error": _text("no", isError=True, structuredContent={"why": None}, vendorCode="E7"),
    "no_content": {"vendorOnly": True},
    "empty_content": {"content": [], "isError": False},
    "embedded": {
        "content": [
            {"type": "resource", "resource": {"uri": uri, "text": "x", **VENDOR}, "_meta": {"a": 1}}
            for uri in ODD_URIS
        ]
    },
    "links": {
        "content": [
            {"type": "resource_link", "uri": uri, "name": "n", "size": 12, "icons": [], **VENDOR}
            for uri in ODD_URIS
        ]
    },
    "numbers": _text("n", structuredContent={"big": 2**70, "one": 1, "one_point": 1.0, "e": 1e-7}),
    "unicode": _text("\u2028 \u202e é \U0001f600 \ufeff\u0007"),
    "big": _text(BIG),
    "progress": _text("done"),
}
ERRORS: Final[dict[str, JSON]] = {
    "vendor_error": {"code": 4711, "message": "vendor says no", "data": {"retry": 5, **VENDOR}},
    "null_data": {"code": -32603, "message": "odd", "data": None},
    "no_data": {"code": -32000, "message": ""},
    "list_data": {"code": 1, "message": "é", "data": [1, {"a": None}]},
}
TOOLS: Final = [
    _tool(name, outputSchema={"type": "array", "items": True} if "array" in name else {})
    for name in (*CALLS, *ERRORS)
]
TOOLS[0] |= {
    "title": "Unknown",
    "execution": {"taskSupport": "forbidden", "vendor": 1},
    "icons": [{"src": "data:image/png;base64,AA==", "sizes": ["1x1"], "theme": "dark"}],
    "_meta": {"ui": {"resourceUri": "ui://vendor/app.html", "visibility": ["app"]}},
}


def _page(items: str, listed: list[JSON], more: str | None, **fields: Any) -> JSON:
    cursor = {} if more is None else {"nextCursor": more}
    return {items: listed, **cursor, "_meta": {"vendor/page": 1}, **fields, **VENDOR}


PAGES: Final[dict[tuple[str, str | None], JSON]] = {
    ("tools/list", None): _page("tools", TOOLS[:7], ""),
    ("tools/list", ""): _page("tools", TOOLS[7:14], "p=3&é/\u2028", listVendor=[1.0, 1]),
    ("tools/list", "p=3&é/\u2028"): _page("tools", TOOLS[14:], None),
    ("prompts/list", None): _page(
        "prompts",
        [{"name": "ask", "arguments": [{"name": "who", "title": "Who", **VENDOR}], **VENDOR}],
        None,
    ),
    ("resources/list", None): _page(
        "resources",
        [{"uri": uri, "name": str(i), "size": i, **VENDOR} for i, uri in enumerate(ODD_URIS)],
        None,
    ),
    ("resources/templates/list", None): _page(
        "resourceTemplates",
        [{"uriTemplate": "Tmpl://{id}/Data{?q}", "name": "t", "annotations": {"v": 1}, **VENDOR}],
        None,
    ),
}
CAPABILITIES: Final[JSON] = {
    "tools": {"vendorTools": 1},
    "prompts": {},
    "resources": {},
    "completions": {},
    "logging": {},
    "experimental": {"vendor/x": {"on": True}},
    "extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html"]}, "vendor/y": {}},
    "vendorCapability": [1, None],
}
INFO: Final[JSON] = {
    "name": "vendor",
    "version": "0.0.1-β",
    "title": "Vendor",
    "websiteUrl": "https://example.com/",
    "x-build": 7,
}
INSTRUCTIONS: Final = "Use it well.\n\tÜber alles: nichts."


def answer(method: str, params: JSON) -> JSON:
    """`result` or `error` of one request."""
    name = params.get("name")
    if (method, params.get("cursor")) in PAGES:
        return {"result": PAGES[method, params.get("cursor")]}
    if method == "tools/call" and name in ERRORS:
        return {"error": ERRORS[name]}
    if method == "tools/call" and name in CALLS and "echo" not in params.get("_meta", {}):
        return {"result": CALLS[name]}
    if method == "resources/read":
        contents = [{"uri": params["uri"], "blob": "AA==", "mimeType": "x/y", **VENDOR}]
        return {"result": {"contents": contents, "ttlMs": 77, "cacheScope": "public", **VENDOR}}
    if method == "prompts/get":
        messages = [
            {"role": "user", "content": {"type": "vendor/q", "v": 1.0}, **VENDOR},
            {"role": "assistant", "content": {"type": "text", "text": "t"}, "seen": _seen(params)},
        ]
        return {"result": {"description": None, "messages": messages, **VENDOR}}
    if method == "completion/complete":
        completion = {"values": ["é", ""], "total": 2, "hasMore": False, "scores": [0.5, 1]}
        return {"result": {"completion": completion, "seen": _seen(params), **VENDOR}}
    if method == "vendor/refuse":
        return {"error": {"code": 31337, "message": "vendor refuses", "data": _seen(params)}}
    return {"result": {"method": method, "seen": _seen(params), **VENDOR}}


def _seen(params: JSON) -> JSON:
    """The params as they came; a session's progress token is the gateway's own."""
    meta = {k: v for k, v in params.get("_meta", {}).items() if k != "progressToken"}
    return {**params, "_meta": meta}


def notes(params: JSON) -> list[JSON]:
    """What the `progress` tool tells before it answers: integers, fractions, vendor members."""
    token = params.get("_meta", {}).get("progressToken")
    return [
        {
            "jsonrpc": "2.0",
            "method": "notifications/progress",
            "params": {"progressToken": token, "progress": n, "total": 3, "message": "é", **VENDOR},
        }
        for n in (1, 1.5, 2, 3)
    ]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """One endpoint, any path."""
    if scope["type"] != "http":
        return
    if scope["method"] != "POST":
        return await reply(send, 405, b"", b"text/plain")
    message = json.loads(await body_of(receive))
    if "id" not in message:
        return await reply(send, 202, b"", b"text/plain")
    method, params = message["method"], message.get("params") or {}
    headers = dict(scope["headers"])
    stateless = headers.get(b"mcp-protocol-version", b"") >= b"2026"
    if stateless != STATELESS:
        return await reply(send, 400, b"another era", b"text/plain")
    said = _hello(method, params, stateless) or answer(method, params)
    if stateless and "result" in said and "resultType" not in said["result"]:
        said = {"result": {"resultType": "complete", **said["result"]}}
        if method.endswith("/list"):
            said["result"] = {"ttlMs": 1234, "cacheScope": "public", **said["result"]}
    body = {"jsonrpc": "2.0", "id": message["id"], **said}
    status = (
        ERROR_CODE_HTTP_STATUS.get(said.get("error", {}).get("code"), 200) if stateless else 200
    )
    if params.get("name") in ("progress", "big"):
        told = notes(params) if params["name"] == "progress" else []
        stream = "".join(f"event: message\ndata: {_dumped(each)}\n\n" for each in (*told, body))
        return await reply(send, 200, stream.encode(), b"text/event-stream")
    await reply(send, status, _dumped(body).encode())


def _dumped(value: JSON) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _hello(method: str, params: JSON, stateless: bool) -> JSON | None:
    about: JSON = {"capabilities": CAPABILITIES, "instructions": INSTRUCTIONS}
    if stateless and method == "server/discover":
        meta = {"io.modelcontextprotocol/serverInfo": INFO}
        caching = {"ttlMs": 0, "cacheScope": "private"}
        return {"result": {**about, **caching, "supportedVersions": ["2026-07-28"], "_meta": meta}}
    if not stateless and method == "initialize":
        return {"result": {**about, "protocolVersion": "2025-11-25", "serverInfo": INFO}}
    return {"result": {}} if method == "ping" else None


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--era", choices=["sessions", "stateless"], required=True)
    given = parser.parse_args()
    STATELESS = given.era == "stateless"
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="warning")
