"""An agent that speaks raw JSON-RPC and keeps what it hears exactly as it came: for comparing, and for attacking.

In either era, over HTTP with a bearer token, or over the standard streams of a command.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, Final

import httpx2

from tests.system.client import Era

JSON = dict[str, Any]
Ask = Callable[[str, JSON], Awaitable[JSON]]
"""method, params -> the whole JSON-RPC response, without its id and version."""

STATELESS: Final = "2026-07-28"
SESSIONS: Final = "2025-11-25"
CLIENT = {"name": "raw", "version": "1"}
NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


def exactly(text: str | bytes) -> JSON:
    """Parsed without a loss: 1, 1.0 and 1e0 stay three things."""
    value: JSON = json.loads(text, parse_float=Decimal)
    return value


def enveloped(method: str, params: JSON, id: int) -> JSON:
    """A stateless request."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": STATELESS,
        "io.modelcontextprotocol/clientInfo": CLIENT,
        "io.modelcontextprotocol/clientCapabilities": {},
        **params.get("_meta", {}),
    }
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": {**params, "_meta": meta}}


def bare(method: str, params: JSON, id: int) -> JSON:
    """A request of the sessions era."""
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


def greeting() -> JSON:
    """What opens a session."""
    params = {"protocolVersion": SESSIONS, "capabilities": {}, "clientInfo": CLIENT}
    return bare("initialize", params, 0)


INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def headers_for(token: str | None, era: Era, method: str, params: JSON) -> dict[str, str]:
    """The headers one POST needs."""
    headers = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
    }
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    if era == STATELESS:
        headers |= {"mcp-protocol-version": STATELESS, "mcp-method": method}
        if method in NAMED:
            headers["mcp-name"] = str(params[NAMED[method]])
    return headers


def stateless(token: str | None, method: str, params: JSON, id: int = 1) -> JSON:
    """One request of the stateless era, as `post` of any HTTP client takes it."""
    body = json.dumps(enveloped(method, params, id))
    return {"content": body, "headers": headers_for(token, STATELESS, method, params)}


@asynccontextmanager
async def over_http(url: str, token: str | None, era: Era) -> AsyncIterator[Ask]:
    """Asks a Streamable HTTP endpoint; several questions may be under way at once."""
    numbers = itertools.count(1)
    session: dict[str, str] = {}

    async with httpx2.AsyncClient(timeout=30) as http:

        async def post(message: JSON) -> httpx2.Response:
            method, params = message["method"], message.get("params", {})
            headers = headers_for(token, era, method, params) | session
            return await http.post(url, content=json.dumps(message), headers=headers)

        async def ask(method: str, params: JSON) -> JSON:
            make = enveloped if era == STATELESS else bare
            return _answer((await post(make(method, params, next(numbers)))).text)

        if era != STATELESS:
            opened = await post(greeting())
            session["mcp-session-id"] = opened.headers["mcp-session-id"]
            session["mcp-protocol-version"] = SESSIONS
            await post(INITIALIZED)
        yield ask


def _answer(text: str) -> JSON:
    """The response in a body that is JSON or an event stream."""
    if not text.startswith("{"):
        # Not splitlines: U+2028 is a character of a string here.
        lines = [line[5:] for line in text.split("\n") if line.startswith("data:")]
        text = next(line for line in reversed(lines) if '"id"' in line)
    return _without_envelope(exactly(text))


def _without_envelope(response: JSON) -> JSON:
    return {name: value for name, value in response.items() if name not in ("jsonrpc", "id")}


@asynccontextmanager
async def over_stdio(
    command: Sequence[str], era: Era, env: Mapping[str, str] | None = None
) -> AsyncIterator[Ask]:
    """Asks a command on its standard streams, one question at a time."""
    numbers = itertools.count(1)
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, **(env or {})},
        limit=64 * 1024 * 1024,
    )
    assert process.stdin is not None and process.stdout is not None
    said, heard = process.stdin, process.stdout

    def say(message: JSON) -> None:
        said.write(json.dumps(message).encode() + b"\n")

    async def answer(id: int) -> JSON:
        while line := await heard.readline():
            message = exactly(line)
            if message.get("id") == id and "method" not in message:
                return _without_envelope(message)
        raise AssertionError(f"{command[0]} ended without an answer")

    async def ask(method: str, params: JSON) -> JSON:
        message = (enveloped if era == STATELESS else bare)(method, params, next(numbers))
        say(message)
        return await answer(message["id"])

    try:
        if era != STATELESS:
            say(greeting())
            await answer(0)
            say(INITIALIZED)
        yield ask
    finally:
        said.close()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()
