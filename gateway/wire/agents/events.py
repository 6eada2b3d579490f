"""Security events over HTTP: one token in the body of a POST (RFC 8935, push). No bearer token: it is signed.

It knows paths and statuses, and nothing of what an event does.
"""

from __future__ import annotations

import logging
from typing import Final

from gateway.errors import JournalError, Refused
from gateway.ports import Events
from gateway.reasons import Reason
from gateway.wire import strict_json
from gateway.wire.agents.bodies import body_of
from gateway.wire.agents.checks import check_single
from gateway.wire.agents.exchange import Exchange, Reply
from gateway.wire.agents.limits import Limits
from gateway.wire.agents.messages import INVALID_REQUEST, rejected

PATH: Final = "/ssf/events"
MAX_BODY: Final = 32 * 1024
MEDIA: Final = "application/secevent+jwt"
_CODES: Final = {Reason.UNKNOWN_KEY: "invalid_key", Reason.WRONG_AUDIENCE: "invalid_audience"}
_SAID: Final = {
    "invalid_key": "the transmitter has no such key",
    "invalid_audience": "the event is for somebody else",
    "invalid_request": "this is no event of a transmitter that is believed here",
}

log = logging.getLogger("bulkhead.wire")


class EventsFace:
    """Serves /ssf/events."""

    def __init__(self, events: Events, limits: Limits) -> None:
        self._events = events
        self._seconds = limits.body_seconds

    async def answer(self, exchange: Exchange) -> Reply:
        """To one request, of which Host and Origin have been checked. Raises `Rejected`, `Gone`."""
        head = exchange.head
        check_single(head)
        if head.method != "POST":
            raise rejected(405, INVALID_REQUEST, "use POST", headers=(("allow", "POST"),))
        if (head.get("content-type") or "").split(";")[0].strip().lower() != MEDIA:
            raise rejected(415, INVALID_REQUEST, f"Content-Type must be {MEDIA}")
        body = await body_of(exchange, MAX_BODY, self._seconds)
        try:
            await self._events.take(body.decode("ascii", "replace").strip())
        except Refused as no:
            return _error(_CODES.get(no.reason, "invalid_request"))
        except JournalError as error:
            log.error("a security event is not on record and will be sent again: %s", error)
            return Reply(503, b"", (("retry-after", "5"),))
        return Reply(202)


def _error(code: str) -> Reply:
    """RFC 8935, 2.3 and 2.4."""
    said = {"err": code, "description": _SAID[code]}
    return Reply(400, strict_json.dumps(said), (("content-language", "en"),))
