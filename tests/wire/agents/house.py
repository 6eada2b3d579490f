"""What stands around the wire in its tests: a gate that remembers, a settings value, a server on a free port.

The gate's tools each do one thing a wire must carry: `echo`, `progress`, `sample`, `hang`, `fail`, ...
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from gateway.core.model import (
    Answer,
    Endpoint,
    Entry,
    Evidence,
    JsonObject,
    Request,
    RpcError,
    Target,
    Tier,
    WorkloadIdentity,
)
from gateway.core.resolve import Shelf, Table
from gateway.errors import Refused
from gateway.ports import About, Channel, MayHave, Told
from gateway.reasons import Reason
from gateway.settings import RequestLimits, ServerSettings, Settings
from gateway.values import replace
from gateway.wire.agents import http
from gateway.wire.agents.face import Face
from gateway.wire.agents.limits import Limits
from tests.clock import at_once

TOKENS = {"alice-token": "agent:alice", "bob-token": "agent:bob"}
ALICE = {"authorization": "Bearer alice-token"}
BOB = {"authorization": "Bearer bob-token"}

HEADED: JsonObject = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "count": {"type": "integer", "x-mcp-header": "Count"},
    },
}
TOOLS: list[JsonObject] = [
    {"name": name, "inputSchema": {"type": "object"}, "vendor": {"kept": True}}
    for name in ("echo", "progress", "sample", "hang", "fail", "log", "big")
] + [{"name": "headed", "inputSchema": HEADED}]


@dataclass
class Followed:
    """What one listen or session asked to be told; `told` tells it."""

    request: Request
    kinds: frozenset[str]
    told: Told
    subscribed: list[Request] = field(default_factory=list)
    unsubscribed: list[Request] = field(default_factory=list)
    closed: bool = False

    async def subscribe(self, request: Request, channel: Channel) -> Answer:
        self.subscribed.append(request)
        if "asking" in str(request.params):
            return await channel.ask("sampling/createMessage", {"vendor": {"kept": 1}})
        if "hidden" in str(request.params):
            return Answer(error=RpcError(-32602, "Not available"))
        return Answer({})

    def unsubscribe(self, request: Request) -> Answer:
        self.unsubscribed.append(request)
        return Answer({})

    def renew(self, identity: WorkloadIdentity) -> None:
        self.request = replace(self.request, identity=identity)

    def close(self) -> None:
        self.closed = True


@dataclass
class RememberingGate:
    """Answers from a table and remembers every question, every cancellation and every answer it was given."""

    requests: list[Request] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    cancelled: list[Request] = field(default_factory=list)
    followed: list[Followed] = field(default_factory=list)
    asked: list[Answer] = field(default_factory=list)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    """`hang` waits for it."""
    canned: Answer | None = None
    was_met: set[Endpoint] = field(default_factory=set)
    tenant: str = "local"
    on_behalf_of: str = ""
    stopped: set[str] = field(default_factory=set)
    """Tasks and tools a fence fell on."""
    recalls: bool = False
    """Does it know again who was identified before?"""
    expires_at: int = field(default_factory=lambda: int(time.time()) + 600)
    """When every token does."""
    now: Callable[[], float] = time.time
    """The clock that tokens are judged by."""

    def recalled(self, evidence: Evidence) -> WorkloadIdentity | None:
        """Whoever was identified before by the same, while the token is good."""
        token = "".join(evidence.authorization).removeprefix("Bearer ")
        if not self.recalls or evidence not in self.evidence or token not in TOKENS:
            return None
        return self._who(token)

    async def identify(self, evidence: Evidence) -> WorkloadIdentity:
        self.evidence.append(evidence)
        if not evidence.authorization:
            raise Refused(Reason.NO_TOKEN)
        scheme, _, token = evidence.authorization[0].partition(" ")
        if scheme != "Bearer" or token not in (*TOKENS, "narrow-token"):
            raise Refused(Reason.BAD_TOKEN, "unknown token")
        if token == "narrow-token":
            raise Refused(Reason.INSUFFICIENT_SCOPE)
        return self._who(token)

    def _who(self, token: str) -> WorkloadIdentity:
        return WorkloadIdentity(
            issuer="https://issuer.example",
            agent=TOKENS[token],
            tenant=self.tenant,
            task="t1",
            intent="testing",
            tiers=frozenset({Tier.DATA}),
            token_id="j1",
            expires_at=self.expires_at,
            on_behalf_of=self.on_behalf_of,
        )

    async def met(self, endpoint: Endpoint, identity: WorkloadIdentity) -> None:
        self.was_met.add(endpoint)

    def about(self, endpoint: Endpoint, identity: WorkloadIdentity) -> About:
        assert endpoint in self.was_met, "a server is waited for before it is spoken of"
        return About(
            {"name": "remembering", "version": "1"},
            {"tools": {"listChanged": True}, "logging": {}, "vendor": {"kept": 1}},
            f"for {identity.agent} at {endpoint.path}",
        )

    def left(self, identity: WorkloadIdentity) -> int:
        return max(0, identity.expires_at - int(self.now()))

    def keeps(self, request: Request) -> MayHave:
        return lambda asker: not {asker.task, request.params.get("name")} & self.stopped

    def follow(self, request: Request, kinds: frozenset[str], told: Told) -> Followed:
        followed = Followed(request, kinds, told)
        self.followed.append(followed)
        return followed

    async def answer(self, request: Request, channel: Channel) -> Answer:
        self.requests.append(request)
        self.started.set()
        try:
            return await self._answer(request, channel)
        except asyncio.CancelledError:
            self.cancelled.append(request)
            raise
        finally:
            self.ended.set()

    async def _answer(self, request: Request, channel: Channel) -> Answer:
        if self.canned is not None:
            return self.canned
        if request.method == "tools/list":
            return Answer({"tools": TOOLS})
        if request.method == "tools/call":
            return await self._call(request, channel)
        if request.method == "vendor/raise":
            raise RuntimeError("a gate must never raise")
        return Answer(error=RpcError(-32601, "Method not found"), http_status=404)

    async def _call(self, request: Request, channel: Channel) -> Answer:
        arguments = request.params.get("arguments", {})
        match request.params["name"]:
            case "progress":
                await self._progress(request, channel)
            case "log":
                for level in ("debug", "warning"):
                    await channel.notify("notifications/message", {"level": level, "data": level})
            case "sample":
                question = arguments.get("method", "sampling/createMessage")
                answer = await channel.ask(question, arguments)
                self.asked.append(answer)
                if answer.error is not None:
                    return Answer(error=answer.error)
                return text(json.dumps(answer.result))
            case "hang":
                if arguments.get("notify"):
                    await channel.notify(
                        "notifications/progress", {"progressToken": 1, "progress": 0}
                    )
                await self.go.wait()
            case "pause":
                if pause := getattr(channel, "pause", None):
                    pause()
                await self.go.wait()
            case "fail":
                return Answer(error=RpcError(1234, "vendor trouble", {"why": [1, None]}, True))
            case "big":
                return text("x" * int(arguments["size"]))
        return text(json.dumps(arguments, sort_keys=True))

    async def _progress(self, request: Request, channel: Channel) -> None:
        token = request.params.get("_meta", {}).get("progressToken", "none")
        for step in (1, 2, 3):
            await channel.notify(
                "notifications/progress",
                {"progressToken": token, "progress": step, "total": 3, "vendor": "kept"},
            )


def text(value: str) -> Answer:
    return Answer({"content": [{"type": "text", "text": value}], "vendor": {"field": 1}})


class Advertised:
    """The catalogue."""

    def __init__(self, *tools: JsonObject) -> None:
        shelf = Shelf({tool["name"]: _entry(tool) for tool in tools or TOOLS})
        self.current = Table(repr(tools), shelf, {"one": shelf})


def _entry(tool: JsonObject) -> Entry:
    return Entry(Target("one", "tool", tool["name"]), tool["name"], tool, "")


def settings(**changes: Any) -> Settings:
    """Listening on a port of the system's choice, with one tool server nobody starts."""
    server = ServerSettings(url="http://127.0.0.1:1/mcp")
    return Settings(**{"listen": "127.0.0.1:0", "servers": {"one": server}, **changes})


@dataclass
class Place:
    """A wire that is being served."""

    gate: RememberingGate
    host: str
    port: int
    app: Any

    def url(self, path: str = "/mcp") -> str:
        return f"http://{self.host}:{self.port}{path}"


@asynccontextmanager
async def serving(
    gate: RememberingGate | None = None,
    *,
    limits: Limits | None = None,
    bounds: JsonObject | None = None,
    **changes: Any,
) -> AsyncIterator[Place]:
    """The wire over a remembering gate, served by the same function the gateway uses."""
    gate = gate or RememberingGate()
    changes |= {"limits": RequestLimits(**(bounds or {}))}
    place: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    app = Face(
        gate, settings(**changes), lambda: (True, {"servers": {"one": "up"}}), Advertised(), limits
    )
    server = asyncio.create_task(http.serve(app, settings(**changes), on_ready=place.set_result))
    try:
        async with asyncio.timeout(20):
            await asyncio.wait((place, server), return_when=asyncio.FIRST_COMPLETED)
            host, _, port = (await place).rpartition(":")
        yield Place(gate, host, int(port), app)
    finally:
        server.cancel()
        await at_once(server)
        with suppress(asyncio.CancelledError):
            async with asyncio.timeout(20):
                await server
