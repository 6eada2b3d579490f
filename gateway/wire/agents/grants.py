"""Grants over HTTP, for orchestrators and agents: a bearer token for /grants, JSON in and out. No MCP.

    POST /grants                   {"agent", "task", "intent", terms...}    create
    GET  /grants                                                            those in force
    GET  /grants/<id>                                                       show
    POST /grants/<id>/delegate     {"agent", "task", terms...}              hand it on
    POST /grants/<id>/revoke       {} or {"why": "..."}                     end it
    POST /grants/<id>/complete     {} or {"why": "..."}                     its task is done

It knows paths and statuses, and nothing of what may be given.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.core.model import Answer, JsonObject
from gateway.errors import Refused
from gateway.grant_ports import GrantAct, GrantDesk
from gateway.ports import Gate
from gateway.reasons import Reason
from gateway.settings import Settings
from gateway.wire import strict_json
from gateway.wire.agents import challenges
from gateway.wire.agents.bodies import body_of
from gateway.wire.agents.checks import check_content, check_single
from gateway.wire.agents.exchange import Exchange, Reply
from gateway.wire.agents.limits import Limits
from gateway.wire.agents.messages import INVALID_REQUEST, rejected
from gateway.wire.agents.routes import GRANTS

MAX_BODY: Final = 64 * 1024
MAX_DEPTH: Final = 16
_GRANT: Final = re.compile(r"[a-z2-7]{16}")


class GrantsFace:
    """Serves /grants and what lies below it."""

    def __init__(self, gate: Gate, desk: GrantDesk, settings: Settings, limits: Limits) -> None:
        self._gate = gate
        self._desk = desk
        self._resource = challenges.Resource.of(settings)
        self._seconds = limits.body_seconds

    def serves(self, path: str) -> bool:
        """Is it a path of ours?"""
        return path == GRANTS.path or path.startswith(f"{GRANTS.path}/")

    async def answer(self, exchange: Exchange) -> Reply:
        """To one request, of which Host and Origin have been checked. Raises `Rejected`, `Gone`."""
        check_single(exchange.head)
        shown = challenges.evidence_of(exchange.head, GRANTS, exchange.certificate)
        identity = await challenges.identify(self._gate, shown, self._resource)
        act = await self._act(exchange)
        return _reply(act, await self._desk.act(identity, act))

    async def _act(self, exchange: Exchange) -> GrantAct:
        method, path = exchange.head.method, exchange.head.path
        match (method, path.removeprefix(GRANTS.path).split("/")):
            case ("GET", [""]):
                return GrantAct("list")
            case ("POST", [""]):
                return GrantAct("create", "", await self._said(exchange))
            case ("GET", ["", grant]) if _GRANT.fullmatch(grant):
                return GrantAct("show", grant)
            case ("POST", ["", grant, "delegate" | "revoke" | "complete" as verb]) if (
                _GRANT.fullmatch(grant)
            ):
                return GrantAct(verb, grant, await self._said(exchange))
        raise rejected(404, INVALID_REQUEST, "no such path, or not with this method")

    async def _said(self, exchange: Exchange) -> JsonObject:
        """The body: one JSON object; none at all says nothing."""
        body = await body_of(exchange, MAX_BODY, self._seconds)
        if not body:
            return {}
        check_content(exchange.head)
        try:
            said = strict_json.parse(body, max_bytes=MAX_BODY, max_depth=MAX_DEPTH)
        except Refused as no:
            raise rejected(400, INVALID_REQUEST, no.detail, reason=no.reason) from None
        if not isinstance(said, dict):
            raise rejected(
                400, INVALID_REQUEST, "the body must be one object", reason=Reason.MALFORMED
            )
        return said


def _reply(act: GrantAct, answer: Answer) -> Reply:
    fresh = (("cache-control", "no-store"),)
    if answer.error is not None:
        body = strict_json.dumps({"error": answer.error.as_json()})
        return Reply(answer.http_status, body, fresh)
    status = 201 if act.verb in ("create", "delegate") else 200
    return Reply(status, strict_json.dumps(answer.result), fresh)
