"""What an agent is told unasked: `subscriptions/listen` in one era, a session's own stream in the other.

Each piece of news waits at most once, so that a reader that has stalled costs nothing. What may be told
to whom is the gate's; this file knows the messages. Spec: 2026-07-28 patterns/subscriptions,
2025-11-25 server/resources.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from gateway.core.model import (
    Answer,
    Era,
    JsonObject,
    Request,
    RpcError,
    WorkloadIdentity,
)
from gateway.core.over import Tell, always
from gateway.core.settle import INVALID_PARAMS
from gateway.nobody import NOBODY
from gateway.ports import Channel, Following, Gate
from gateway.values import replace
from gateway.wire import loglevels
from gateway.wire.agents.messages import notification_body
from gateway.wire.agents.session import Session
from gateway.wire.methods import (
    ACKNOWLEDGED,
    LIST_CHANGED,
    LISTEN,
    SUBSCRIBE,
    SUBSCRIPTION_ID,
    UNSUBSCRIBE,
    outlives_its_call,
)

MOST: Final = 256
"""Things one listen may name, and messages that may wait for one session's reader."""
ACK_SECONDS: Final = 10.0
"""What a tool server has not agreed to by then is not acknowledged."""


class Untold:
    """What waits to be written: of each thing the newest."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, Any], JsonObject] = {}
        self.arrived = asyncio.Event()

    def put(self, method: str, params: JsonObject) -> None:
        """Something has changed."""
        self._waiting[method, str(params.get("uri", params.get("taskId")))] = params
        self.arrived.set()

    def take(self) -> tuple[str, JsonObject] | None:
        """The oldest; None when there is none."""
        if not self._waiting:
            self.arrived.clear()
            return None
        key = next(iter(self._waiting))
        return key[0], self._waiting.pop(key)


async def listen(gate: Gate, request: Request, channel: Channel, over: asyncio.Event) -> Answer:
    """Acknowledge what is honoured, then tell, until the token has expired or the gateway is about to stop (`over`)."""
    wanted = request.params.get("notifications")
    names = None if not isinstance(wanted, dict) else _names(wanted)
    if not isinstance(wanted, dict) or names is None:
        text = "notifications must be an object of booleans and lists of strings"
        return Answer(error=RpcError(INVALID_PARAMS, text), http_status=400)
    kinds = frozenset(
        kind for kind in offered(gate, request) if wanted.get(LIST_CHANGED[kind]) is True
    )
    untold = Untold()
    following = gate.follow(request, kinds, untold.put)
    tag: JsonObject = {SUBSCRIPTION_ID: request.id}
    try:
        honoured: JsonObject = {
            member: True for kind, member in LIST_CHANGED.items() if kind in kinds
        }
        honoured |= await _subscribed(following, request, names)
        await channel.notify(ACKNOWLEDGED, {"notifications": honoured, "_meta": tag})
        await _tell(untold, channel, tag, over, gate.left(request.identity))
    finally:
        following.close()
    return Answer({"resultType": "complete", "_meta": tag})


def offered(gate: Gate, request: Request) -> frozenset[str]:
    """The lists this endpoint has."""
    capabilities = gate.about(request.endpoint, request.identity).capabilities
    return frozenset(kind for kind in LIST_CHANGED if isinstance(capabilities.get(kind), dict))


def _names(wanted: JsonObject) -> dict[str, list[str]] | None:
    """What is listed by name; None when that is no list of at most `MOST` strings."""
    found: dict[str, list[str]] = {}
    for member in ("resourceSubscriptions", "taskIds"):
        names = wanted.get(member, [])
        if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
            return None
        found[member] = list(dict.fromkeys(names))
    return found if sum(map(len, found.values())) <= MOST else None


async def _subscribed(
    following: Following, request: Request, names: dict[str, list[str]]
) -> JsonObject:
    """Those that policy and tool server agree to. Each is a read of its own, decided and recorded."""
    asked = {
        (member, name): asyncio.ensure_future(
            following.subscribe(_one(request, member, name), NOBODY)
        )
        for member, each in names.items()
        for name in each
    }
    if asked:
        _, late = await asyncio.wait(asked.values(), timeout=ACK_SECONDS)
        for task in late:
            task.cancel()
    honoured: JsonObject = {}
    for (member, name), task in asked.items():
        if task.done() and not task.cancelled() and task.result().result is not None:
            honoured.setdefault(member, []).append(name)
    return honoured


def _one(request: Request, member: str, name: str) -> Request:
    method, names = ("tasks/get", "taskId") if member == "taskIds" else (SUBSCRIBE, "uri")
    params: JsonObject = {names: name, "_meta": request.params.get("_meta", {})}
    return replace(request, method=method, params=params, extra_headers=())


async def _tell(
    untold: Untold, channel: Channel, tag: JsonObject, over: asyncio.Event, seconds: float
) -> None:
    ending = asyncio.ensure_future(over.wait())
    try:
        async with asyncio.timeout(seconds):
            while not ending.done():
                if (one := untold.take()) is not None:
                    method, params = one
                    meta = params.get("_meta")
                    stamped = {**(meta if isinstance(meta, dict) else {}), **tag}
                    await channel.notify(method, {**params, "_meta": stamped})
                    continue
                arrived = asyncio.ensure_future(untold.arrived.wait())
                try:
                    await asyncio.wait((arrived, ending), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    arrived.cancel()
    except TimeoutError:
        return
    finally:
        ending.cancel()


# Sessions.


def follow(gate: Gate, session: Session, identity: WorkloadIdentity, told: Tell) -> Following:
    """What a session's agent is told, decided on the newest token it came with."""
    session.caller = identity
    session.ear.tell = partial(_after_a_call, gate, session, identity, told)
    if session.following is None:
        request = in_session(session, identity)
        session.following = gate.follow(request, offered(gate, request), told)
    else:
        session.following.renew(identity)
    return session.following


def _after_a_call(
    gate: Gate,
    session: Session,
    identity: WorkloadIdentity,
    told: Tell,
    method: str,
    params: JsonObject,
    still: Callable[[], bool] = always,
) -> None:
    """Told to who has not been stopped since, and wants to hear it."""
    may_have = gate.keeps(in_session(session, identity))

    def may_hear() -> bool:
        newest = session.caller or identity  # whose token may be another by when this is read
        return still() and gate.left(newest) > 0 and may_have(newest)

    if loglevels.heard(method, params, session.log_floor) and may_hear():
        told(method, params, may_hear)


async def subscribed(
    gate: Gate, session: Session, request: Request, channel: Channel, told: Tell
) -> Answer:
    """The answer to a session's `resources/subscribe` or `unsubscribe`."""
    following = follow(gate, session, request.identity, told)
    if request.method == UNSUBSCRIBE:
        return following.unsubscribe(request)
    return await following.subscribe(request, channel)


def tell_standing(
    session: Session, method: str, params: JsonObject, still: Callable[[], bool] = always
) -> None:
    """On the session's own stream, unless the same waits there already or too much does. `still`: see `over.Tell`."""
    stream, body = session.standing, notification_body(method, params)
    waiting = [event.body for event in stream.events if event.number > stream.delivered]
    if body not in waiting and len(waiting) < most_of(method):
        stream.put(body, still)


def most_of(method: str) -> int:
    """Messages that may wait for a session's reader when this one comes. What a server says after a call is never the
    same twice: it leaves room for what is watched."""
    return MOST // 2 if outlives_its_call(method) else MOST


def in_session(session: Session, identity: WorkloadIdentity) -> Request:
    """What belongs to no request of a session, as one."""
    return Request(
        session.endpoint, identity, Era.SESSIONS, 0, LISTEN, {}, session.client, session.id
    )
