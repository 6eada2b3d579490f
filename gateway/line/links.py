"""Resources an agent on an aggregate was told of: which server each leads to. Each agent's own, in memory, bounded.

A link in a result need not be listed, so nothing but the result says whose it is. What this process
has not told, it looks up where all gateways of one state directory keep it; whoever lost a link asks
again for what had told it, or reads at the server's own endpoint.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from gateway.core.model import Answer, Endpoint, Request, Resolved
from gateway.core.published import Publisher
from gateway.core.resolve import NAMED, Table, resolve
from gateway.errors import Refused
from gateway.ports import Remembered
from gateway.reasons import Reason
from gateway.values import replace

MOST_EACH: Final = 1_000
MOST: Final = 1_000
"""Links of one agent, and agents. The oldest is forgotten first."""

MOST_BYTES: Final = 32 * 1024 * 1024
"""Of all of them, about. Who was told longest ago is forgotten first, and asked for where all gateways keep it."""
BESIDE: Final = 300
"""Bytes a link takes beside its URIs."""
KIND: Final = "link"

Link = tuple[str, str]
"""A server and its own URI."""


class Links:
    """What each agent has been told."""

    def __init__(
        self, shared: Remembered | None = None, most: int = MOST, most_each: int = MOST_EACH
    ) -> None:
        self._shared = shared
        self._most = most
        self._most_each = most_each
        self._told: OrderedDict[str, OrderedDict[str, Link]] = OrderedDict()
        self._bytes = 0

    async def note(self, agent: str, server: str, uris: Mapping[str, str]) -> None:
        """The agent was told these URIs (public -> own) of one server. The newest word counts."""
        known: Mapping[str, Link] = self._told.get(agent, {})
        news = {public: own for public, own in uris.items() if known.get(public) != (server, own)}
        self._keep(agent, server, uris)
        if news and self._shared is not None:
            facts = {public: {"server": server, "uri": own} for public, own in news.items()}
            self._shared.note(KIND, agent, facts)
            # The agent's next request may meet another process.
            await self._shared.written()

    def _keep(self, agent: str, server: str, uris: Mapping[str, str]) -> None:
        if not uris:
            return
        told = self._told.setdefault(agent, OrderedDict())
        self._told.move_to_end(agent)
        for public, own in uris.items():
            self._bytes += _size(public, own)
            if (before := told.pop(public, None)) is not None:
                self._bytes -= _size(public, before[1])
            told[public] = (server, own)
        while len(told) > self._most_each:
            oldest, (_, own) = told.popitem(last=False)
            self._bytes -= _size(oldest, own)
        while len(self._told) > self._most or (self._bytes > MOST_BYTES and len(self._told) > 1):
            _, forgotten = self._told.popitem(last=False)
            self._bytes -= sum(_size(public, own) for public, (_, own) in forgotten.items())

    def find(self, agent: str, uri: str) -> Link | None:
        """Where a URI this agent was told leads."""
        told = self._told.get(agent)
        return told.get(uri) if told else None

    async def recall(self, table: Table, request: Request) -> None:
        """Before a request is resolved: what other processes told its agent of what it names."""
        if self._shared is None or not may_follow(request):
            return
        agent, uri = request.identity.owner, request.params.get("uri")
        if not isinstance(uri, str) or self.find(agent, uri) is not None:
            return
        try:
            resolve(table, request)
        except Refused as no:
            if no.reason is Reason.UNKNOWN_TARGET:
                for fact in await self._shared.find(KIND, agent, uri):
                    self._keep(agent, fact["server"], {uri: fact["uri"]})

    def resolve(self, table: Table, request: Request) -> Resolved:
        """The target of a request (`core.resolve`): what the catalogue does not know, by what the agent was told.

        A link opens nothing the server's own endpoint would not. Raises `Refused`.
        """
        try:
            return resolve(table, request)
        except Refused as no:
            link = self._followed(request) if no.reason is Reason.UNKNOWN_TARGET else None
            if link is None:
                raise
        server, own = link
        there = replace(
            request,
            endpoint=Endpoint("server", server=server),
            params={**request.params, "uri": own},
        )
        return replace(resolve(table, there), request=request)

    def _followed(self, request: Request) -> Link | None:
        uri = request.params.get("uri")
        if not may_follow(request):
            return None
        return self.find(request.identity.owner, uri) if isinstance(uri, str) else None

    async def tell(self, table: Table, resolved: Resolved, answer: Answer) -> Answer:
        """The answer as its agent must hear it on an aggregate: with URIs that lead back to the server."""
        request, server = resolved.request, resolved.target.server
        if answer.result is None:
            return answer
        agent = request.identity.owner

        def taken(uri: str) -> bool:
            link = self.find(agent, uri)
            return link is not None and link[0] != server

        publisher = Publisher(table.aggregate, server, taken)
        result = publisher.result(request.method, answer.result)
        await self.note(agent, server, publisher.links)
        return answer if result is answer.result else replace(answer, result=result)


def may_follow(request: Request) -> bool:
    """Does it name a resource where several servers meet?"""
    return request.endpoint.kind != "server" and NAMED.get(request.method) == ("resource", "uri")


def _size(public: str, own: str) -> int:
    return len(public) + len(own) + BESIDE
