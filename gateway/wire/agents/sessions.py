"""The sessions era (2024-11-05 to 2025-11-25) over Streamable HTTP: initialize, POST, GET, DELETE.

A disconnect is not a cancellation here: the work goes on, its stream can be resumed, and only
`notifications/cancelled` ends it. A session belongs to one principal at one endpoint; to everybody else
it does not exist.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from functools import partial
from typing import Any, Final

from gateway.core.model import (
    Answer,
    Endpoint,
    Request,
    RequestId,
    RpcError,
    WorkloadIdentity,
)
from gateway.core.settle import INVALID_PARAMS, METHOD_NOT_FOUND
from gateway.ports import Gate
from gateway.sdk import HANDSHAKE_PROTOCOL_VERSIONS
from gateway.values import replace
from gateway.wire import loglevels
from gateway.wire.agents import hello, listening
from gateway.wire.agents.admitted import SESSION_ID, Admitted
from gateway.wire.agents.answering import ask_gate, fenced
from gateway.wire.agents.exchange import Exchange, Gone, Rejected, Reply
from gateway.wire.agents.inwork import Agent, InWork
from gateway.wire.agents.lazystream import LazyStream
from gateway.wire.agents.limits import Limits
from gateway.wire.agents.listening import tell_standing
from gateway.wire.agents.messages import (
    INVALID_REQUEST,
    REQUEST_CANCELLED,
    Call,
    Message,
    Note,
    Response,
    error_body,
    rejected,
    result_body,
)
from gateway.wire.agents.quiet import Quiet
from gateway.wire.agents.reading import Reader
from gateway.wire.agents.session import Session, Sessions, TooManySessions
from gateway.wire.agents.sessionchannel import SessionChannel
from gateway.wire.agents.working import Working
from gateway.wire.methods import LISTEN, ROOTS_CHANGED, SUBSCRIBE, UNSUBSCRIBE
from gateway.wire.shape import SESSIONS

SESSION_NOT_FOUND: Final = -32001
"""The TypeScript SDK's own. Hosts know by it, or by both SDKs' words, that another session is to be opened."""

OWN: Final = frozenset({"ping", "server/discover", LISTEN, "logging/setLevel"})
"""Methods that are the wire's own to answer."""


class SessionEra:
    """Serves this era's requests of identified callers."""

    def __init__(self, gate: Gate, sessions: Sessions, limits: Limits, most_in_work: int) -> None:
        self._gate = gate
        self._sessions = sessions
        self._limits = limits
        self._in_work = InWork(most_in_work)
        self._quiet = Quiet(limits.quiet_sessions)
        self._sweeper: asyncio.TimerHandle | None = None

    async def post(
        self, exchange: Exchange, admitted: Admitted, identity: WorkloadIdentity, message: Message
    ) -> None:
        """One message. Raises `Rejected`, and `Gone` when nobody is left to answer to."""
        if isinstance(message, Call) and message.method == "initialize":
            await self._initialize(exchange, admitted.endpoint, identity, message)
            return
        session = self._session(admitted, identity)
        if isinstance(message, Call):
            await self._call(exchange, session, identity, message)
            return
        if isinstance(message, Note):
            note(session, session.running, message)
        else:
            settle(session, message)
        await exchange.reply(Reply(202))

    async def get(self, exchange: Exchange, admitted: Admitted, identity: WorkloadIdentity) -> None:
        """The standing stream, or with Last-Event-ID the rest of the stream it names."""
        session = self._session(admitted, identity)
        event_id = exchange.head.get("last-event-id")
        if event_id is None:
            stream, after = session.standing, session.standing.delivered
            if stream.reader is not None:
                raise rejected(409, INVALID_REQUEST, "this session's stream is open already")
        else:
            found = session.shelf.find(event_id)
            if found is None:
                raise rejected(400, INVALID_REQUEST, "no stream of this session has that event")
            stream, after = found
        # What waits there was kept for an agent that nobody had stopped.
        standing = self._gate.keeps(listening.in_session(session, identity))
        if not (standing(identity) and stream.may_have(identity)):
            raise fenced()
        if stream is session.standing:
            listening.follow(self._gate, session, identity, partial(tell_standing, session))
        loop = asyncio.get_running_loop()
        until = loop.time() + self._gate.left(identity)
        try:
            await Reader(session, stream, exchange, self._limits).read(after, until)
        finally:
            self._sessions.touch(session)

    async def delete(
        self, exchange: Exchange, admitted: Admitted, identity: WorkloadIdentity
    ) -> None:
        """End the session and what is in work in it."""
        self._sessions.end(self._session(admitted, identity))
        await exchange.reply(Reply(204))

    def _session(self, admitted: Admitted, identity: WorkloadIdentity) -> Session:
        version, id = admitted.version, admitted.session
        if version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS:
            served = ", ".join(HANDSHAKE_PROTOCOL_VERSIONS)
            raise rejected(400, INVALID_REQUEST, f"sessions are served at: {served}")
        if id is None:
            raise rejected(400, INVALID_REQUEST, "Mcp-Session-Id is missing: initialize first")
        session = self._sessions.find(id, admitted.endpoint, identity.owner)
        if session is None:
            raise rejected(404, SESSION_NOT_FOUND, "Session not found")
        return session

    async def _initialize(
        self, exchange: Exchange, endpoint: Endpoint, identity: WorkloadIdentity, call: Call
    ) -> None:
        client = hello.client_of(call.params)
        if isinstance(client, RpcError):
            raise Rejected(Reply(400, error_body(call.id, client)))
        await self._gate.met(endpoint, identity)
        about = self._gate.about(endpoint, identity)
        try:
            session = self._sessions.open(endpoint, identity.owner, client)
        except TooManySessions:
            raise rejected(503, INVALID_REQUEST, "too many open sessions", id=call.id) from None
        if self._sweeper is None:
            self._sweep()
        body = result_body(call.id, hello.initialized(about, client))
        await exchange.reply(Reply(200, body, ((SESSION_ID, session.id),)))

    def _sweep(self) -> None:
        """Who was idle too long is over, also where nobody comes with another session."""
        self._sessions.sweep()
        later, seconds = asyncio.get_running_loop().call_later, self._limits.session_idle / 30
        self._sweeper = later(seconds, self._sweep) if [*self._sessions] else None

    async def _call(
        self, exchange: Exchange, session: Session, identity: WorkloadIdentity, call: Call
    ) -> None:
        own = own_answer(self._gate, session, identity, call)
        if own is not None:
            await exchange.reply(Reply(200, own))
            return
        if call.id in session.running:
            raise rejected(400, INVALID_REQUEST, "a request of that id is in work", id=call.id)
        working = self._start(session, identity, call)
        await self._carry(exchange, session, working)

    def _start(self, session: Session, identity: WorkloadIdentity, call: Call) -> Working:
        """The work is a task of its own, because it outlives the connection. Connections are counted at the door; work
        that lost its connection is counted here."""
        agent = self._in_work.enter(identity)
        request = session_request(session, identity, call)
        working = Working(session.shelf, request, self._gate.keeps)
        work = self._work(session, request, SessionChannel(session, working, working))
        task = asyncio.get_running_loop().create_task(work)
        session.running[call.id] = task
        task.add_done_callback(partial(self._done, session, working, request.id, agent))
        return working

    def _work(
        self, session: Session, request: Request, channel: SessionChannel
    ) -> Coroutine[Any, Any, Answer]:
        if request.method in (SUBSCRIBE, UNSUBSCRIBE):
            told = partial(tell_standing, session)
            return listening.subscribed(self._gate, session, request, channel, told)
        return ask_gate(self._gate, request, channel)

    def _done(
        self,
        session: Session,
        working: Working,
        id: RequestId,
        agent: Agent,
        task: asyncio.Task[Answer],
    ) -> None:
        self._in_work.leave(agent)
        session.running.pop(id, None)
        self._sessions.touch(session)
        if task.cancelled():
            # This wire ends a request's stream only with an answer.
            working.end(Answer(error=RpcError(REQUEST_CANCELLED, "Request cancelled")))
        else:
            working.end(task.result())

    async def _carry(self, exchange: Exchange, session: Session, working: Working) -> None:
        """JSON if the answer is the first thing to come and comes soon, else a stream that can be resumed."""
        waiting = session.shelf.waiting
        waiting.add(working)
        exchange.watch(working.leave)
        self._quiet.watch(working, self._limits.quiet_sessions)
        try:
            await working.news
        finally:
            exchange.watch(None)
            self._quiet.let_go(working)
            waiting.discard(working)
        stream = working.stream
        if working.body is not None:
            if not exchange.put(working.body):
                await exchange.reply(Reply(200, working.body))
        elif stream is None or (working.gone and not stream.events):
            # Nobody has seen an id of this stream: nobody can come back for it.
            if stream is not None:
                session.shelf.forget(stream)
            raise Gone
        elif (flow := stream.flow_after(0)) is not None:
            await flow.pour(LazyStream(exchange, self._limits.write_seconds))
            session.shelf.forget(stream)
        else:
            await Reader(session, stream, exchange, self._limits).read(0)


def session_request(session: Session, identity: WorkloadIdentity, call: Call) -> Request:
    """One request of a session for the gate: params untouched."""
    return Request(
        session.endpoint,
        identity,
        SESSIONS,
        call.id,
        call.method,
        call.params,
        session.client,
        session.id,
        ear=session.ear,
    )


def own_answer(
    gate: Gate, session: Session, identity: WorkloadIdentity, call: Call
) -> bytes | None:
    """The wire's own methods: ping, the log level, and discovery, which this era does not have."""
    if call.method not in OWN:
        return None
    if call.method == "ping":
        return result_body(call.id, {})
    if call.method in ("server/discover", LISTEN):
        return error_body(call.id, RpcError(METHOD_NOT_FOUND, f"Method not found: {call.method}"))
    at_one = session.endpoint.kind == "server"
    if at_one and "logging" not in gate.about(session.endpoint, identity).capabilities:
        return error_body(call.id, RpcError(METHOD_NOT_FOUND, "Method not found"))
    level = call.params.get("level")
    if level not in loglevels.LEVELS:
        known = ", ".join(loglevels.LEVELS)
        return error_body(call.id, RpcError(INVALID_PARAMS, f"level must be one of: {known}"))
    session.log_floor = level
    session.client = replace(session.client, log_level=level)
    return result_body(call.id, {})


def note(
    session: Session | None, running: Mapping[RequestId, asyncio.Task[Answer]], message: Note
) -> None:
    """A notification of the agent: a cancellation, of what is `running` for it, or that its roots changed, which a
    server hears with the session's next call. Others are not acted upon."""
    if message.method == ROOTS_CHANGED and session is not None:
        at = asyncio.get_running_loop().time()
        session.client = replace(session.client, roots_at=at)
    if message.method != "notifications/cancelled":
        return
    id = message.params.get("requestId")
    task = running.get(id) if isinstance(id, str | int) else None
    if task is not None:
        task.cancel()


def settle(session: Session, message: Response) -> None:
    """The agent's answer to a question of ours. One that is no longer waited for is dropped."""
    waiting = session.asked.pop(message.id, None)
    if waiting is not None and not waiting.done():
        waiting.set_result(Answer(message.result, message.error))
