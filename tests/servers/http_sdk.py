"""A tool server made with the SDK, over Streamable HTTP on a port the system chose, in the era a test asks for.

It remembers what reached it: the headers of every request and the body's method.
"""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.types import (
    EmptyResult,
    NotificationParams,
    SetLevelRequestParams,
    SubscribeRequestParams,
    UnsubscribeRequestParams,
)
from pydantic import Field
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.clock import at_once
from tests.servers.asgi import again, body_of, refuse
from tests.servers.resumable import Memory

Region = Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]


@dataclass
class World:
    """What reached the server, and what its tools did."""

    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """HTTP method, JSON-RPC method ("" if none), headers."""
    done: list[str] = field(default_factory=list)
    watching: dict[str, list[Any]] = field(default_factory=dict)
    """Sessions by the URI they subscribed to."""
    asked: list[str] = field(default_factory=list)
    """What a session asked for: +uri, -uri, level x."""
    started: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    terminate: bool = False
    """Answer 404 to every message of a session once, as a server that lost its sessions."""
    server: Any = None

    def replaced_by(self, version: str) -> None:
        """Another version stands behind the same address from now on."""
        inner = self.server._lowlevel_server
        inner.version = version
        vars(inner).pop("_server_info_stamp_source", None)  # the SDK keeps what it said before

    def methods(self) -> list[str]:
        return [rpc or http for http, rpc, _ in self.seen]

    def headers_of(self, method: str) -> dict[str, str]:
        return next(headers for _, rpc, headers in self.seen if rpc == method)


def _tools(world: World) -> MCPServer:
    server = MCPServer(name="fixture", version="1.2.3", instructions="Be kind.")

    @server.tool()
    def echo(text: str) -> str:
        world.done.append(text)
        return text

    @server.tool()
    def region(region: Region = "none") -> str:
        return region

    @server.tool()
    def fail() -> str:
        raise RuntimeError("no")

    @server.tool()
    async def steps(ctx: Context) -> str:
        for done in (1, 2, 3):
            await ctx.report_progress(progress=done, total=3)
        return "done"

    @server.tool()
    async def hang() -> str:
        world.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            world.cancelled.set()
            raise
        return "never"

    @server.tool()
    async def ask(ctx: Context) -> str:
        answer = await ctx.session.elicit_form(
            "Who?", {"type": "object", "properties": {}}, related_request_id=ctx.request_id
        )
        return f"{answer.action} {answer.content}"

    @server.tool()
    async def poll(ctx: Context) -> str:
        await ctx.report_progress(progress=1)
        await ctx.close_sse_stream()
        await ctx.report_progress(progress=2)
        return "polled"

    @server.tool()
    async def change(ctx: Context) -> str:
        await ctx.notify_tools_changed()
        await ctx.session.send_tool_list_changed()
        return "changed"

    @server.resource("test://watched")
    def watched() -> str:
        return "watched"

    @server.tool()
    async def touch(uri: str, ctx: Context) -> str:
        """Tells whoever watches the resource, in either era."""
        await ctx.notify_resource_updated(uri)
        for session in tuple(world.watching.get(uri, ())):
            await session.send_resource_updated(uri)
        return "touched"

    async def subscribe(ctx: Any, params: Any) -> EmptyResult:
        if "asking" in str(params.uri):
            related = None if "loose" in str(params.uri) else ctx.request_id
            await ctx.session.elicit_form("Sure?", {"type": "object", "properties": {}}, related)
        world.watching.setdefault(str(params.uri), []).append(ctx.session)
        world.asked.append(f"+{params.uri}")
        return EmptyResult()

    async def unsubscribe(ctx: Any, params: Any) -> EmptyResult:
        world.watching.pop(str(params.uri), None)
        world.asked.append(f"-{params.uri}")
        return EmptyResult()

    async def level(ctx: Any, params: Any) -> EmptyResult:
        world.asked.append(f"level {params.level}")
        return EmptyResult()

    async def roots_changed(ctx: Any, params: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the stateless era has no such question
            asking = ctx.session.list_roots()
        for root in (await asking).roots:
            world.asked.append(f"root {root.uri}")

    inner = server._lowlevel_server
    inner.add_notification_handler(
        "notifications/roots/list_changed", NotificationParams, roots_changed
    )
    inner.add_request_handler("resources/subscribe", SubscribeRequestParams, subscribe)
    inner.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, unsubscribe)
    inner.add_request_handler("logging/setLevel", SetLevelRequestParams, level)
    return server


class _Door:
    """Remembers each request, and lets through one era as a server that never learned the other."""

    def __init__(self, app: ASGIApp, world: World, era: str) -> None:
        self._app, self._world, self._era = app, world, era

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        body = await body_of(receive)
        rpc = json.loads(body).get("method", "") if body else ""
        self._world.seen.append((scope["method"], rpc, headers))
        stateless = headers.get("mcp-protocol-version", "") >= "2026"
        if self._world.terminate and "mcp-session-id" in headers:
            self._world.terminate = False
            return await refuse(send, 404, {"code": -32600, "message": "Session not found"})
        if self._era == "sessions" and stateless:
            return await refuse(send, 400, {"code": -32000, "message": "Bad Request: version"})
        if self._era == "stateless" and not stateless:
            data = {"supported": ["2026-07-28"], "requested": "2025-11-25"}
            return await refuse(send, 400, {"code": -32022, "message": "version", "data": data})
        await self._app(scope, again(body, receive), send)


@asynccontextmanager
async def sdk_server(era: str, *, json_response: bool = False) -> AsyncIterator[tuple[str, World]]:
    """The URL of a running server, and its world."""
    world = World()
    world.server = _tools(world)
    app = world.server.streamable_http_app(
        event_store=Memory(), retry_interval=20, json_response=json_response
    )
    async with listening(_Door(app, world, era)) as port:
        yield f"http://127.0.0.1:{port}/mcp", world


@asynccontextmanager
async def sse_server() -> AsyncIterator[tuple[str, World]]:
    """The same over HTTP+SSE of 2024-11-05."""
    world = World()
    world.server = _tools(world)
    async with listening(_Door(world.server.sse_app(), world, "sessions")) as port:
        yield f"http://127.0.0.1:{port}/sse", world


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncIterator[int]:
    """The port an ASGI application is served on."""
    config = uvicorn.Config(
        app, port=0, log_level="error", ws="none", lifespan="on", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    task = asyncio.ensure_future(server._serve())
    try:
        async with asyncio.timeout(20):
            while not server.started:
                await asyncio.sleep(0.005)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await at_once(task)
        await task
