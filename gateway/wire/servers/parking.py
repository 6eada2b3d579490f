"""The bridge from a sessions tool server to an agent of the stateless era.

What the server pushes while a call is open (sampling, elicitation, roots) parks the call and is put to
the agent as an `input_required` result; the agent's next request, decided and recorded by itself, goes
on with it. Where the server refuses a call until a URL was visited (-32042, 2025-11-25), the agent is
asked to visit it and its next request is a new call.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from gateway.core.model import Era, JsonObject, Outcome, RpcError
from gateway.core.record import Permit
from gateway.core.settle import INVALID_PARAMS, MISSING_CAPABILITY
from gateway.ports import Channel, Outbound, ToolServer
from gateway.values import replace
from gateway.wire.servers import seal
from gateway.wire.servers.parked import ParkedCall, Shelf
from gateway.wire.servers.seal import Claim, Seal

INTERACTIVE: Final = frozenset({"tools/call", "prompts/get", "resources/read"})
"""The methods that may answer `input_required`."""
SECONDS: Final = 600.0
"""A call waits for its agent so long, or as long as any call to its server may take."""
MOST: Final = 128
EACH: Final = 32
"""Calls of one server, and of one agent there, that may wait."""
URL_REQUIRED: Final = -32042

log = logging.getLogger("bulkhead.bridge")


class Speaking(ToolServer, Protocol):
    """A tool server that knows the era it speaks; None while it does not."""

    @property
    def era(self) -> Era | None: ...


class Parking:
    """The calls of stateless agents to one server that is not known to be of their era."""

    def __init__(
        self,
        server: Speaking,
        name: str,
        seal: Seal,
        *,
        seconds: float = SECONDS,
        most: int = MOST,
        each: int = EACH,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._server = server
        self._name = name
        self._seal = seal
        self._seconds = seconds
        self._shelf = Shelf(most, each)
        self._clock = clock

    async def call(self, permit: Permit, message: Outbound, channel: Channel) -> Outcome:
        """See `ports.ToolServer`, of the methods in `INTERACTIVE`. A permit is used once: a request that goes
        on with a parked call has its own, and forwards only the answers."""
        state = message.params.get("requestState")
        if seal.is_ours(state) or (state is not None and self._server.era == Era.SESSIONS):
            # A server of that era has no states of its own.
            found = self._find(str(state), message)
            if isinstance(found, RpcError):
                return Outcome("rejected", error=found)
        else:
            found = self._begin(permit, message)
        return await self._round(found, message, channel)

    def _begin(self, permit: Permit, message: Outbound) -> ParkedCall:
        owner, request = seal.owner(message.principal), seal.request(self._name, message)
        call = ParkedCall(message, owner, request, self._shelf)
        params = {k: v for k, v in message.params.items() if k != "inputResponses"}
        call.start(self._server.call(permit, replace(message, params=params, outlet=call), call))
        return call

    def _find(self, state: str, message: Outbound) -> ParkedCall | RpcError:
        try:
            claim = self._seal.claim(state)
        except ValueError:
            return _invalid("Invalid requestState", "invalid_request_state")
        if claim.owner != seal.owner(message.principal):
            return _invalid("Invalid requestState", "invalid_request_state")
        if claim.request != seal.request(self._name, message):
            return _invalid("This requestState belongs to another request", "other_request")
        if claim.gateway != self._seal.gateway:
            text = "This call waits at another gateway process; call again without requestState"
            return _invalid(text, "parked_elsewhere")
        call = self._shelf.find(claim.call)
        if call is None or self._clock() >= claim.expires:
            text = "This call does not wait any more; call again without requestState"
            return _invalid(text, "expired_request_state")
        if not call.waits:
            return _invalid("This requestState is in use already", "request_state_in_use")
        self._shelf.resume(call)
        return call

    async def _round(self, call: ParkedCall, message: Outbound, channel: Channel) -> Outcome:
        outcome = await call.round(message, channel)
        if outcome is not None:
            return _with_urls(outcome, message)
        self._shelf.park(call, self._seconds, self._expired)
        claim = Claim(
            self._seal.gateway,
            call.id,
            call.owner,
            call.request,
            self._clock() + self._seconds,
        )
        questions = {
            key: {"method": question.method, "params": question.params}
            for key, question in call.questions.items()
        }
        return Outcome("ok", _required(questions, self._seal.state(claim)))

    def _expired(self, call: ParkedCall) -> None:
        log.warning("%s: a call nobody came back for is cancelled", self._name)

    def clear(self) -> None:
        """Cancel all that waits."""
        self._shelf.clear()


def _invalid(message: str, reason: str) -> RpcError:
    return RpcError(INVALID_PARAMS, message, {"reason": reason}, has_data=True)


def _required(questions: JsonObject, state: str | None = None) -> JsonObject:
    asked: JsonObject = {"resultType": "input_required", "inputRequests": questions}
    return asked if state is None else {**asked, "requestState": state}


def _with_urls(outcome: Outcome, message: Outbound) -> Outcome:
    """URLs to be visited first, as questions; the stateless era knows no such error."""
    if outcome.error is None or outcome.error.code != URL_REQUIRED:
        return outcome
    given = _object(outcome.error.data).get("elicitations")
    visits = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    if not visits or "url" not in _object(message.client.capabilities.get("elicitation")):
        needed: JsonObject = {"requiredCapabilities": {"elicitation": {"url": {}}}}
        text = outcome.error.message
        return Outcome("rejected", error=RpcError(MISSING_CAPABILITY, text, needed, has_data=True))
    questions = {
        f"url{number}": {"method": "elicitation/create", "params": {**visit, "mode": "url"}}
        for number, visit in enumerate(visits, 1)
    }
    return Outcome("ok", _required(questions))


def _object(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}
