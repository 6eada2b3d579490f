"""Sessions of the old era, opened as a client opens them, before anything is measured."""

from __future__ import annotations

import json
from typing import Final
from urllib.request import Request, urlopen

from benchmarks.fixture import SESSIONS
from benchmarks.load import JSON, Target

ABOUT: Final[JSON] = {
    "protocolVersion": SESSIONS,
    "capabilities": {},
    "clientInfo": {"name": "bench", "version": "1"},
}
ACCEPT: Final = {
    "content-type": "application/json",
    "accept": "application/json, text/event-stream",
}
PATIENCE: Final = 60


def session(target: Target) -> tuple[tuple[str, str], ...]:
    """Open one; the headers of what is said in it."""
    hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": ABOUT}
    with urlopen(_post(target, hello, ()), timeout=PATIENCE) as reply:
        reply.read()
        id = reply.headers.get("mcp-session-id")
    version = (("mcp-protocol-version", SESSIONS),)
    headers = (*version, ("mcp-session-id", id)) if id else version
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    urlopen(_post(target, ready, headers), timeout=PATIENCE).close()
    return headers


def _post(target: Target, body: JSON, more: tuple[tuple[str, str], ...]) -> Request:
    headers = {**ACCEPT, **dict(target.headers), **dict(more)}
    url = f"http://127.0.0.1:{target.port}{target.path}"
    return Request(url, json.dumps(body).encode(), headers)
