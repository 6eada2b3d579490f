"""Held calls: which wait and until when; taken back, or sent earlier, by an operator. It sends nothing itself.

Whoever writes the next line of a held call has it: the journal lets only one follow.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from gateway.core.act import outright, refusal
from gateway.core.model import JsonObject, Target
from gateway.core.record import State, after_hold
from gateway.core.reverse import Verdict
from gateway.errors import JournalError, Refused
from gateway.line import holding
from gateway.line.holding import Waiting
from gateway.ports import CallFilter, CallRow, Errands, Journal, JournalReader, Protector
from gateway.reasons import Reason

log = logging.getLogger("bulkhead.held")

MANY: Final = 100_000


class Waitings:
    """What waits in one journal."""

    def __init__(self, reader: JournalReader, protector: Protector) -> None:
        self._reader = reader
        self._protector = protector

    def all(self) -> list[Waiting]:
        """By the time they are sent. One that cannot be opened here is logged and left out. Raises
        `JournalError`."""
        found: list[Waiting] = []
        for row in self._reader.calls(CallFilter(state=State.HELD), MANY):
            try:
                found.append(self._of(row))
            except ValueError as error:
                log.error("%s", error)
        return sorted(found, key=lambda each: each.release_at)

    def row(self, call: str) -> CallRow:
        """A held call, by its id or a unique prefix. Raises `Refused` (unknown_target)."""
        row = self._reader.call(call)
        if row is None or row.state is not State.HELD:
            said = "no such call" if row is None else f"it is {row.state}"
            raise Refused(Reason.UNKNOWN_TARGET, f"{call} is not held: {said}")
        return row

    def find(self, call: str) -> Waiting:
        """The same, with all that sending it takes. Raises `Refused`, `ValueError`."""
        return self._of(self.row(call))

    def _of(self, row: CallRow) -> Waiting:
        record = row.record
        lines = self._reader.lines(record.call_id)
        bodies = [line.said["body"] for line in lines]
        target = Target(record.server, "tool", record.target)
        try:
            unseal = self._protector.unseal
            return holding.waiting(record.call_id, target, record.grant, bodies, unseal)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"held call {record.call_id} cannot be opened here: {error}") from None


class Held:
    """What an operator may do about them. The policy is asked: `undo:cancel` or `undo:release`."""

    def __init__(
        self,
        waitings: Waitings,
        journal: Journal,
        errands: Errands,
        clock: Callable[[], int],
    ) -> None:
        """`clock`: microseconds since the epoch."""
        self._waitings = waitings
        self._journal = journal
        self._errands = errands
        self._clock = clock

    async def cancel(self, call: str, operator: str) -> Waiting:
        """It is never sent. Raises `Refused`: unknown_target for one that does not wait (any more)."""
        return await self._moved(call, operator, "cancel", State.CANCELLED, {})

    async def withdraw(self, call: str, operator: str) -> tuple[Verdict, str]:
        """The same, for a rollback: its verdict, and why. Raises `JournalError`."""
        try:
            await self.cancel(call, operator)
        except Refused as no:
            return "conflict" if no.reason is Reason.UNKNOWN_TARGET else "refused", no.detail
        return "restored", "it has never been sent"

    async def release(self, call: str, operator: str) -> Waiting:
        """It is sent as soon as a gateway that serves looks. Raises like `cancel`."""
        now = {"release_at": self._clock()}
        return await self._moved(call, operator, "release", State.HELD, now)

    async def _moved(
        self, call: str, operator: str, verb: str, to: State, body: JsonObject
    ) -> Waiting:
        waiting = self._waitings.find(call)
        arguments = waiting.request.params.get("arguments") or {}
        decision = self._errands.permitted(waiting.target.server, verb, arguments, operator)
        if not outright(decision):
            raise refusal(decision, f"undo:{verb} on {waiting.target.server}")
        line = after_hold(waiting.call_id, self._clock(), to, {**body, "by": operator})
        try:
            await self._journal.append(line).sealed()
        except JournalError:
            self._waitings.row(waiting.call_id)  # sent or taken back meanwhile: says so
            raise
        return self._waitings.find(call) if to is State.HELD else waiting
