"""Agents of a story: honest ones with the MCP SDK's client of either era, lying ones with bytes of their own.

Everything goes over real HTTP. It knows what an agent can know: an address, a token, its own words.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

import anyio
import httpx
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from gateway.core.model import JsonObject
from gateway.stories.story import AgentPlan, Trick
from gateway.values import Value

VERSION: Final = "2026-07-28"
PATIENCE: Final = 30.0
"""Seconds an agent waits for anything."""

_META: Final = "io.modelcontextprotocol/"


class Heard(Value):
    """What an agent got for one request."""

    text: str
    status: int | None = None
    """HTTP status, where the agent looked at it (raw requests, or a wire that said no)."""
    error: JsonObject | None = None
    """A JSON-RPC error object."""
    is_error: bool = False
    """A tool result that says it is an error."""
    names: tuple[str, ...] = ()
    """What a list showed."""


class Caller(Value):
    """One agent at one endpoint with one token."""

    name: str
    plan: AgentPlan
    url: str
    token: str

    async def call(self, tool: str, arguments: JsonObject) -> Heard:
        """Call a tool, as an ordinary client does."""
        async with _connected(self) as client:
            with anyio.fail_after(PATIENCE):
                try:
                    result = await client.call_tool(tool, arguments)
                except MCPError as error:
                    return _said_no(error.error.model_dump(mode="json", exclude_none=True))
        return Heard(_text(result.model_dump(mode="json")), is_error=bool(result.is_error))

    async def list(self, kind: Literal["tools", "prompts", "resources"]) -> Heard:
        """Everything a list shows, all pages of it."""
        names: list[str] = []
        async with _connected(self) as client:
            with anyio.fail_after(PATIENCE):
                cursor: str | None = None
                while True:
                    page = await getattr(client, f"list_{kind}")(cursor=cursor)
                    member = "uri" if kind == "resources" else "name"
                    names += [str(getattr(item, member)) for item in getattr(page, kind)]
                    cursor = page.next_cursor
                    if cursor is None:
                        return Heard(", ".join(names) or "nothing", names=tuple(names))

    async def ask(self, url: str, said: JsonObject) -> Heard:
        """A request about grants, as any HTTP client makes it."""
        headers = {"authorization": f"Bearer {self.token}"}
        async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as client:
            answer = await client.post(url, json=said, headers=headers)
        return Heard(answer.text, answer.status_code)

    async def raw(self, tool: str, arguments: JsonObject, trick: Trick) -> Heard:
        """The same call as one POST of our own making, changed by the trick."""
        body = (
            trick.body if trick.body is not None else json.dumps(_request(tool, arguments, trick))
        )
        headers = _headers(tool, None if trick.no_token else self.token) | {
            name.lower(): value for name, value in trick.headers.items()
        }
        async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as client:
            answer = await client.post(
                self.url,
                content=body.encode("utf-8", "surrogatepass"),
                # As bytes, because a liar's header need not be ASCII.
                headers=[(name.encode(), value.encode()) for name, value in headers.items()],
            )
        return _read(answer)


@asynccontextmanager
async def _connected(caller: Caller) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {caller.token}"}
    mode = VERSION if caller.plan.era == "stateless" else "legacy"
    async with create_mcp_http_client(headers) as http:
        transport = streamable_http_client(caller.url, http_client=http)
        async with Client(transport, mode=mode, cache=None) as client:
            yield client


def _request(tool: str, arguments: JsonObject, trick: Trick) -> JsonObject:
    meta = {
        f"{_META}protocolVersion": VERSION,
        f"{_META}clientCapabilities": {},
        f"{_META}clientInfo": {"name": "story", "version": "1"},
        **trick.meta,
    }
    params = {"name": tool, "arguments": arguments, "_meta": meta}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def _headers(tool: str, token: str | None) -> dict[str, str]:
    headers = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": VERSION,
        "mcp-method": "tools/call",
        "mcp-name": tool,
    }
    return headers if token is None else headers | {"authorization": f"Bearer {token}"}


def _read(answer: httpx.Response) -> Heard:
    message = _message(answer)
    if "error" in message and isinstance(message["error"], dict):
        return _said_no(message["error"], answer.status_code)
    result = message.get("result")
    if not isinstance(result, dict):
        said = answer.headers.get("www-authenticate", "") or answer.text[:200]
        return Heard(said, answer.status_code)
    return Heard(_text(result), answer.status_code, is_error=result.get("isError") is True)


def _message(answer: httpx.Response) -> JsonObject:
    """The JSON-RPC message of a response, plain or as the last event of a stream."""
    text = answer.text
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        data = [line[5:].strip() for line in text.splitlines() if line.startswith("data:")]
        text = data[-1] if data else ""
    try:
        message = json.loads(text)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _said_no(error: JsonObject, status: int | None = None) -> Heard:
    return Heard(f"{error.get('message')} ({error.get('code')})", status, error=error)


def _text(result: Mapping[str, Any]) -> str:
    blocks = result.get("content") or []
    return "\n".join(block["text"] for block in blocks if "text" in block)
