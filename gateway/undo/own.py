"""Reads the gateway makes for itself: on record like any call, as its own, and with its own permit.

No agent is asked and none hears of them. It knows the journal and the tool servers, and no pack.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from gateway.core import record, settle
from gateway.core.act import CLIENT, FOR, of_act
from gateway.core.model import (
    CallRecord,
    Effect,
    Outcome,
    Tier,
)
from gateway.core.reverse import Captured, Image
from gateway.errors import JournalError
from gateway.nobody import NOBODY
from gateway.ports import Journal, Mark, Outbound, Protector, ToolServer
from gateway.undo.changes import PROCESS
from gateway.undo.scope import CaptureFailed, ReadCall
from gateway.values import Value

log = logging.getLogger("bulkhead.undo")

AGENT: Final = "bulkhead:undo"
"""Who makes them, in the journal. No token can name it: agents are `agent:<name>`."""
READ_SECONDS: Final = 30.0
ELSEWHERE: Final = "its companion is within another process of its server, and sees another memory"


class For(Value):
    """On whose account a read is made: it is found in the journal beside that call."""

    call_id: str
    tenant: str
    task: str
    intent: str
    secret: bool = False
    """Its arguments may not all be kept in clear; so nothing made of them is."""
    process: int | None = None
    """The process of ours that it goes to: a companion within another one sees another memory."""


class OwnReads:
    """Makes reads, one after the other."""

    def __init__(
        self,
        *,
        journal: Journal,
        protector: Protector,
        servers: Mapping[str, ToolServer],
        clock: Callable[[], int],
        new_call_id: Callable[[], str],
    ) -> None:
        """`clock` and `new_call_id` as the Line has them."""
        self._journal = journal
        self._protector = protector
        self._servers = servers
        self._clock = clock
        self._new_call_id = new_call_id

    async def image(self, reads: Sequence[ReadCall], account: For) -> Image:
        """What these reads find, by name. Raises `CaptureFailed`, `JournalError`."""
        found: dict[str, Captured] = {}
        for read in reads:
            outcome = await self._made(read, account)
            if account.process is not None and _within(outcome) not in (None, account.process):
                raise CaptureFailed(f"{read.name}: {ELSEWHERE}")
            found[read.name] = read.spec.take(outcome)
        return found

    async def _made(self, read: ReadCall, account: For) -> Outcome:
        server = self._servers.get(read.server)
        if server is None:
            raise CaptureFailed(f"{read.name}: there is no tool server {read.server}")
        call_id = self._new_call_id()
        pending = self._journal.append(
            record.intent(self._entry(call_id, read, account), self._clock())
        )
        line = pending.line if self._journal.sound else await pending.sealed()
        permit = record.permit(line, Effect.READ)
        message = Outbound(
            "tools/call",
            {"name": read.tool, "arguments": read.arguments},
            CLIENT,
            AGENT,
            exact=True,
        )
        outcome = Outcome("in_doubt", detail="given up")
        try:
            async with asyncio.timeout(READ_SECONDS):
                outcome = await server.call(permit, message, NOBODY)
        except TimeoutError:
            outcome = Outcome("in_doubt", detail=f"no answer within {READ_SECONDS:g} s")
        finally:
            self._settle(call_id, outcome)
        return outcome

    def _entry(self, call_id: str, read: ReadCall, account: For) -> CallRecord:
        marks: Mapping[str, Mark] = {"": "sealed"} if account.secret else {}
        return of_act(
            call_id,
            AGENT,
            "tools/call",
            self._protector.protect(read.arguments, marks),
            tenant=account.tenant,
            task=account.task,
            intent=account.intent,
            server=read.server,
            target=read.tool,
            tier=Tier.ADMIN,
            effect=Effect.READ,
            where=f"{FOR}{account.call_id}",
        )

    def _settle(self, call_id: str, outcome: Outcome) -> None:
        body = settle.outcome_body(outcome, self._protector.protect_text)
        with suppress(JournalError):  # the call itself meets the same journal, and fails closed
            self._journal.append(record.outcome(call_id, self._clock(), outcome.kind, body))


def _within(outcome: Outcome) -> object:
    """The process whose memory was read; None where the companion is served from within none."""
    meta = (outcome.result or {}).get("_meta")
    return meta.get(PROCESS) if isinstance(meta, dict) else None
