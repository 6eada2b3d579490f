"""A tool server of the stateless era over HTTP: one call is one POST, and closing it is cancelling it.

Spec: 2026-07-28 basic/transports/streamable-http. It knows one server's way of speaking, and nothing of
sessions or of how the era was found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.core.model import JsonObject, Outcome, RpcError
from gateway.ports import Channel, Outbound
from gateway.sdk import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    PARSE_ERROR,
    SERVER_INFO_META_KEY,
    UNSUPPORTED_PROTOCOL_VERSION,
)
from gateway.wire.methods import LISTEN, LISTENED_FOR
from gateway.wire.servers import envelope
from gateway.wire.servers.http_broken import Broken, NotSent
from gateway.wire.servers.http_link import Link
from gateway.wire.servers.http_messages import Messages, plain_outcome
from gateway.wire.servers.http_reply import Reply
from gateway.wire.servers.http_request import HeaderMap, header_map, param_lines, stateless_lines
from gateway.wire.servers.patience import Patience
from gateway.wire.servers.watching import lists_told
from gateway.wire.shape import STATELESS

STATELESS_ERRORS: Final = frozenset(
    {HEADER_MISMATCH, MISSING_REQUIRED_CLIENT_CAPABILITY, UNSUPPORTED_PROTOCOL_VERSION}
)
"""No older server sends them."""
_NOTHING: Final[HeaderMap] = {}
_DOUBTFUL: Final = frozenset({400, 404, 405})
_KNOWN: Final = frozenset(
    {
        PARSE_ERROR,
        METHOD_NOT_FOUND,
        INVALID_PARAMS,
        HEADER_MISMATCH,
        MISSING_REQUIRED_CLIENT_CAPABILITY,
    }
)


class Stateless:
    """Calls to one stateless server."""

    def __init__(self, link: Link, note: Callable[[str], None], moved: Callable[[], None]) -> None:
        """`note` is told the method of each notification on a call's own stream; `moved` that it may be
        of another era now: it could not be reached, or its answer was not one of this era."""
        self._link = link
        self._note = note
        self._moved = moved
        self._declared: dict[str, HeaderMap] = {}
        self._listing: dict[str, HeaderMap] = {}
        self.about: JsonObject = {}
        """The last `server/discover` result."""

    async def send(self, message: Outbound, channel: Channel, patience: Patience) -> Outcome:
        """Forward once and read what comes. Raises `NotSent`, `Broken`."""
        link = self._link
        id = next(link.ids)
        headers = stateless_lines(message)
        if self._declared or self._listing or message.extra_headers:
            headers += param_lines(message, self._declared_by(message))
        body = envelope.request(message, id, STATELESS)
        try:
            reply = await link.post(headers, body, patience, message.credential)
        except NotSent:
            self._moved()
            raise
        if (plain := plain_outcome(reply, id, link, message.exact)) is not None:
            return plain
        if not 200 <= reply.head.status < 300:
            outcome, said = await link.refusal(reply, id, message.credential)
            if reply.head.status in _DOUBTFUL and not _of_this_era(
                outcome.error, envelope.number(said.get("id")) == id
            ):
                self._moved()
            return outcome
        return await self._converse(reply, id, message, channel)

    async def _converse(
        self, reply: Reply, id: int, message: Outbound, channel: Channel
    ) -> Outcome:
        """Pass on what comes before the answer."""

        async def hear(heard: JsonObject) -> None:
            # A request on this stream is against the protocol and has nobody to answer it: dropped.
            if "id" not in heard:
                method, params = heard["method"], heard.get("params")
                self._note(method)
                if method not in LISTENED_FOR:
                    await channel.notify(method, params if isinstance(params, dict) else {})

        try:
            messages = Messages(reply, self._link.limits.max_result)
            messages.exact = message.exact
            answer = await messages.answer_to(id, hear, message.outlet)
        except BaseException:
            reply.close()
            raise
        reply.drain()
        if answer is None:
            raise Broken("the stream ended without an answer")
        return envelope.outcome(answer, self._link.name, messages.carried, messages.rounded)

    async def listen(self, hear: Callable[[JsonObject], None], opened: Callable[[], None]) -> bool:
        """Hear list changes until the stream ends. False when the server has none to tell.

        Raises `NotSent`, `Broken`.
        """
        wanted = lists_told(self.about.get("capabilities"))
        if not wanted:
            return False

        id = next(self._link.ids)
        message = Outbound(LISTEN, {"notifications": wanted}, envelope.GATEWAY, "")
        body = envelope.request(message, id, STATELESS)
        headers = stateless_lines(message)
        reply = await self._link.post(headers, body, self._link.standing())
        try:
            if not 200 <= reply.head.status < 300:
                return False
            opened()

            async def on_message(heard: JsonObject) -> None:
                hear(heard)

            messages = Messages(reply, self._link.limits.max_result)
            answer = await messages.answer_to(id, on_message)
            return answer is None or answer.get("error") is None
        finally:
            reply.close()

    def remember(self, params: JsonObject, page: JsonObject) -> None:
        """Keep the header annotations of a page of `tools/list`; the first page starts a new list. What the
        server calls itself there is the latest word: another may stand behind its address by now."""
        meta = page.get("_meta")
        if isinstance(meta, dict) and isinstance(meta.get(SERVER_INFO_META_KEY), dict):
            about = self.about.get("_meta") or {}
            self.about = {
                **self.about,
                "_meta": {**about, SERVER_INFO_META_KEY: meta[SERVER_INFO_META_KEY]},
            }
        if "cursor" not in params:
            self._listing = {}
        for tool in page.get("tools") or ():
            if isinstance(tool, dict) and isinstance(tool.get("name"), str):
                declared = header_map(tool)
                if declared:
                    self._listing[tool["name"]] = declared
        if not isinstance(page.get("nextCursor"), str):
            self._declared = self._listing

    def _declared_by(self, message: Outbound) -> HeaderMap:
        name = message.params.get("name")
        if message.method != "tools/call" or not isinstance(name, str):
            return _NOTHING
        return self._listing.get(name) or self._declared.get(name) or _NOTHING


def _of_this_era(error: RpcError | None, named_request: bool) -> bool:
    """Whether a 4xx is a stateless server's. Older ones turn our version away without naming the request."""
    if error is None or error.code == UNSUPPORTED_PROTOCOL_VERSION:
        return False
    return named_request or error.code in _KNOWN
