"""A tool server that offers what a test gives it, and remembers what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from gateway.catalogue.canonical import digest
from gateway.catalogue.fetch import Lists, fetch_lists
from gateway.catalogue.merge import merge
from gateway.catalogue.pins import Pin, Pins
from gateway.core.model import (
    ClientFacts,
    Endpoint,
    Era,
    JsonObject,
    Kind,
    Outcome,
    Request,
    RpcError,
    Target,
    Tier,
    WorkloadIdentity,
)
from gateway.core.record import Permit
from gateway.core.resolve import KINDS, Table
from gateway.ports import Channel, Outbound, ServerUnavailable
from gateway.settings import ServerSettings, Settings

ALL = Endpoint("all")
SCHEMA: JsonObject = {"type": "object", "properties": {"path": {"type": "string"}}}


def tool(name: str, **more: Any) -> JsonObject:
    """A raw tool descriptor."""
    return {"name": name, "description": f"does {name}", "inputSchema": SCHEMA, **more}


def resource(uri: str, **more: Any) -> JsonObject:
    """A raw resource descriptor."""
    return {"uri": uri, "name": uri, **more}


def template(uri: str, **more: Any) -> JsonObject:
    """A raw resource template."""
    return {"uriTemplate": uri, "name": uri, **more}


class OfferingServer:
    """`ports.ToolServer`. `pages` maps a list method to its pages in order: cursor -> raw result."""

    def __init__(self, name: str = "files", **items: list[Any]) -> None:
        self.name = name
        self.pages: dict[str, dict[str | None, JsonObject]] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.broken: str | None = None
        self.said: JsonObject = {}
        self.followed = 0
        self.quits = False
        """True: `changes()` ends by itself instead of waiting for news."""
        self.stuck = asyncio.Event()
        self.stuck.set()
        self._announced: asyncio.Queue[str] = asyncio.Queue()
        for kind, listed in items.items():
            self.offer(kind, listed)

    def offer(self, kind: str, items: list[Any], **fields: Any) -> None:
        """One page of these items under `tool`, `prompt`, `resource` or `template`."""
        shape = KINDS[kind]  # type: ignore[index]
        self.pages[shape.method] = {None: {shape.items: items, **fields}}

    def announce(self, method: str = "notifications/tools/list_changed") -> None:
        """As the server would say that a list changed."""
        self._announced.put_nowait(method)

    async def fetch(self, method: str, params: JsonObject) -> JsonObject:
        self.asked.append((method, params.get("cursor")))
        await self.stuck.wait()
        if self.broken is not None:
            raise ServerUnavailable(f"{self.name}: {self.broken}")
        if method not in self.pages:
            raise ServerUnavailable(
                f"{self.name}: no such method", RpcError(-32601, "Method not found")
            )
        return self.pages[method][params.get("cursor")]

    async def call(self, permit: Permit, message: Outbound, channel: Channel) -> Outcome:
        raise AssertionError("the catalogue never calls a tool")

    async def changes(self) -> AsyncIterator[str]:
        self.followed += 1
        if self.quits:
            return
        while True:
            yield await self._announced.get()

    def describe(self) -> JsonObject:
        if self.broken is not None:
            return {"state": "down", "protocol_version": None}
        return {"state": "ready", "protocol_version": "2025-11-25", **self.said}

    async def fence(self) -> bool:
        return False

    async def aclose(self) -> None:
        pass


def approved(server: str, *descriptors: JsonObject, kind: Kind = "tool") -> dict[Target, Pin]:
    """Pins of these descriptors."""
    return {
        Target(server, kind, _name(kind, each)): Pin(
            digest(each), "2026-11-24T00:00:00Z", "eve", each
        )
        for each in descriptors
    }


def _name(kind: Kind, descriptor: JsonObject) -> str:
    name: str = "server" if kind == "about" else descriptor[KINDS[kind].member]  # type: ignore[index]
    return name


def pins(*groups: dict[Target, Pin], directory: Path = Path("pins")) -> Pins:
    """All of them together."""
    return Pins(directory, {target: pin for group in groups for target, pin in group.items()})


def configured(*names: str, **options: Any) -> dict[str, ServerSettings]:
    """Settings for servers of these names."""
    return {name: ServerSettings(command=("true",), **options) for name in names}


def settings(*names: str, home: Path = Path(), **options: Any) -> Settings:
    """A whole bulkhead.yaml with these servers."""
    return Settings(servers=configured(*names, **options), home=str(home))


async def read(*servers: OfferingServer) -> dict[str, Lists]:
    """What each of them lists now."""
    return {one.name: await fetch_lists(one.name, one, 5) for one in servers}


async def table(servers: list[OfferingServer], known: Pins, **options: Any) -> Table:
    """The table these servers and pins make."""
    names = [one.name for one in servers]
    return merge(await read(*servers), known, configured(*names, **options))


def at(server: str) -> Endpoint:
    """The transparent endpoint of a server."""
    return Endpoint("server", server=server)


def asks(method: str, params: JsonObject, endpoint: Endpoint = ALL) -> Request:
    """A request of an identified agent."""
    who = WorkloadIdentity(
        "urn:test", "agent:a", "local", "t", "general", frozenset({Tier.DATA}), "id", 2**31
    )
    return Request(endpoint, who, Era.STATELESS, 1, method, params, ClientFacts("2026-07-28"))


class Seen:
    """The part of `ports.Catalogue` for which there is nothing left to look at."""

    unseen: frozenset[str] = frozenset()

    async def seen(self, server: str) -> None:
        """Nobody has to wait."""
