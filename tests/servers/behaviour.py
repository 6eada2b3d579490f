"""What the test tool server does, whatever the wire: tools that answer, fail, hang, flood, ask and die.

Standard library only, because it starts hundreds of times. A wire in front of it (stdio_server.py)
gives it requests and an `emit` for what it sends before the answer. The tool `seen` tells what arrived.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

JSON = dict[str, Any]
STATELESS = "2026-07-28"
SESSIONS = "2025-11-25"
CAPABILITIES: JSON = {"tools": {"listChanged": True}, "experimental": {"acme": {"x": 1}}}
INFO: JSON = {"name": "behaviour", "version": "1", "acme": True}
TOOL: JSON = {"name": "echo", "inputSchema": {"type": "object"}, "acme": {"kept": [1, 2.5, None]}}


class Behaviour:
    """One server's state. `eras`: both, sessions, stateless. `probe`: answer, exit, silent."""

    def __init__(self, eras: str = "both", probe: str = "answer", logging: bool = False) -> None:
        self.eras = eras
        self.capabilities = CAPABILITIES | ({"logging": {}} if logging else {})
        self.probe = probe
        self.refuses = ""
        """The name of a client it opens no session for."""
        self.seen: list[JSON] = []
        self.cancelled: list[Any] = []
        self.released = asyncio.Event()
        self.listening: list[Callable[[JSON], None]] = []

    async def respond(
        self,
        message: JSON,
        emit: Callable[[JSON], None],
        ask: Callable[[str, JSON], Awaitable[JSON]],
    ) -> JSON | None:
        """The response to a request; None for no answer, ever."""
        self.seen.append(message)
        method, params = message["method"], message.get("params", {})
        if method == "tools/call":
            act = getattr(self, f"tool_{params['name']}")
            body = await act(params, emit, ask, message["id"])
        elif method == "subscriptions/listen":
            self.listening.append(emit)
            emit(acknowledged(message["id"], params["notifications"]))
            body = None
        else:
            body = await self.other(method, params, emit)
        return None if body is None else {"jsonrpc": "2.0", "id": message["id"], **body}

    async def other(self, method: str, params: JSON, emit: Callable[[JSON], None]) -> JSON | None:
        if method == "server/discover":
            return self.discover()
        if method == "initialize" and params["clientInfo"]["name"] == self.refuses:
            return error(-32602, "clientInfo")
        if method == "initialize" and self.eras != "stateless":
            result = {"protocolVersion": SESSIONS, "capabilities": self.capabilities}
            return {"result": {**result, "serverInfo": INFO, "instructions": "Be kind."}}
        if method == "tools/list":
            return {"result": {"tools": [TOOL], "nextCursor": "", "acme": "kept"}}
        if method in ("ping", "logging/setLevel"):
            return {"result": {}}
        return error(-32601, "Method not found")

    def discover(self) -> JSON | None:
        if self.probe == "exit":
            os._exit(3)
        if self.probe == "silent":
            return None
        if self.eras == "sessions":
            return error(-32601, "Method not found")
        meta = {"io.modelcontextprotocol/serverInfo": INFO}
        result = {"supportedVersions": [STATELESS], "capabilities": CAPABILITIES, "_meta": meta}
        more = {"instructions": "Be kind.", "resultType": "complete", "ttlMs": 0}
        return {"result": {**result, **more, "cacheScope": "private"}}

    # Tools. Each gets (params, emit, ask, request id).

    async def tool_echo(self, params: JSON, *_: Any) -> JSON:
        """The params as they arrived, among members no specification knows."""
        block = {"type": "acme/hologram", "depth": 3, "text": "é \u2028 \ud83d\ude00"}
        return {"result": {"content": [block], "structuredContent": [params], "acme": 1e16}}

    async def tool_fail(self, *_: Any) -> JSON:
        return {"result": {"content": [{"type": "text", "text": "no"}], "isError": True}}

    async def tool_reject(self, *_: Any) -> JSON:
        data = {"requiredCapabilities": {"sampling": {}}, "acme": [None]}
        return error(-32021, "Missing capability", data)

    async def tool_progress(self, params: JSON, emit: Callable[[JSON], None], *_: Any) -> JSON:
        """Three notes and the answer in one go, as a fast server does."""
        token = params.get("_meta", {}).get("progressToken")
        for step in (0, 0.5, 1):
            note = {"progressToken": token, "progress": step, "total": 1, "_meta": {"acme": step}}
            emit(notification("notifications/progress", note))
        return await self.tool_echo(params)

    async def tool_log(self, params: JSON, emit: Callable[[JSON], None], *_: Any) -> JSON:
        emit(notification("notifications/message", {"level": "info", "data": {"acme": 1}}))
        return await self.tool_echo(params)

    async def tool_news(self, params: JSON, emit: Callable[[JSON], None], *_: Any) -> JSON:
        """Says what its arguments are."""
        emit(notification(params["arguments"]["method"], params["arguments"]["params"]))
        return await self.tool_echo(params)

    async def tool_later(self, params: JSON, emit: Callable[[JSON], None], *_: Any) -> JSON:
        """Speaks after its answer: what outlives the call, but for the first."""
        for method in ("progress", "tasks/status", "vendor/other", "message"):
            note = notification(f"notifications/{method}", {"level": "info", "data": "later"})
            asyncio.get_running_loop().call_later(0.01, emit, note)
        return await self.tool_echo(params)

    async def tool_changed(self, params: JSON, emit: Callable[[JSON], None], *_: Any) -> JSON:
        for each in self.listening or [emit]:
            each(notification("notifications/tools/list_changed", {}))
        return await self.tool_echo(params)

    async def tool_ask(
        self, params: JSON, emit: Any, ask: Callable[[str, JSON], Awaitable[JSON]], *_: Any
    ) -> JSON:
        """Asks the client `method` with `params` of its arguments and returns the whole answer."""
        wanted = params["arguments"]
        return {"result": {"content": [], "heard": await ask(wanted["method"], wanted["params"])}}

    async def tool_hang(self, *_: Any) -> None:
        return None

    async def tool_drip(self, params: JSON, emit: Callable[[JSON], None], *_: Any) -> None:
        """Progress for ever, and no answer."""
        token = params["_meta"]["progressToken"]
        for step in itertools.count():
            emit(notification("notifications/progress", {"progressToken": token, "progress": step}))
            await asyncio.sleep(0.02)

    async def tool_wait(self, params: JSON, *_: Any) -> JSON:
        """Answers when `release` is called."""
        await self.released.wait()
        return await self.tool_echo(params)

    async def tool_release(self, params: JSON, *_: Any) -> JSON:
        self.released.set()
        return await self.tool_echo(params)

    async def tool_seen(self, *_: Any) -> JSON:
        return {"result": {"content": [], "seen": self.seen, "cancelled": self.cancelled}}

    async def tool_big(self, params: JSON, *_: Any) -> JSON:
        """`bytes` of text in an ordinary answer."""
        text = "x" * params["arguments"]["bytes"]
        return {"result": {"content": [{"type": "text", "text": text}]}}

    async def tool_die(self, *_: Any) -> None:
        sys.stderr.write("cannot go \x1b[31mon\n")
        sys.stderr.flush()
        os._exit(7)


def error(code: int, message: str, data: Any = None) -> JSON:
    return {"error": {"code": code, "message": message, **({"data": data} if data else {})}}


def notification(method: str, params: JSON) -> JSON:
    return {"jsonrpc": "2.0", "method": method, "params": params}


def acknowledged(id: Any, wanted: JSON) -> JSON:
    """Of the resources those whose URI begins with test://, and all else."""
    uris = [uri for uri in wanted.get("resourceSubscriptions", []) if uri.startswith("test://")]
    meta = {"io.modelcontextprotocol/subscriptionId": id}
    honoured = {**wanted, "resourceSubscriptions": uris}
    return notification(
        "notifications/subscriptions/acknowledged", {"notifications": honoured, "_meta": meta}
    )
