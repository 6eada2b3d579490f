"""An undo's own thread in the journal: what its lines say, and what they say when read back.

    UNDOING  the first: a record with method bulkhead/undo, arguments {of, plan, signature, choice, scope, ...}
    UNDOING  {of, step, steps, call, said, undo_next, kept}   one finished step; `kept`: the world after it
    UNDOING  {of, verdict, why}                               one finished call
    UNDONE   {summary, verdicts}                              the end

Lines are never undone, and a step that has one is never done again (ARIES: compensation records).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.core import written
from gateway.core.act import FOR, UNDO, of_act
from gateway.core.model import Effect, JsonObject, Tier
from gateway.core.record import Line, State, intent, move, settled
from gateway.core.reverse import Captured, Image, Recorded, Reversal, Settled, Verdict
from gateway.ports import CallFilter, CallRow, Journal, JournalReader, Pending, Protector
from gateway.undo import changes
from gateway.undo.ledger import MANY
from gateway.values import Value, field, replace

DONE: Final = frozenset({"restored", "compensated", "already", "no_effect", "not_applied"})
"""Verdicts after which nothing of a call is left to be undone."""
TAKEN_BACK: Final = frozenset({"restored", "compensated"})
"""Verdicts after which its inverse calls have been made."""
BACK: Final = TAKEN_BACK | {"already"}
"""Verdicts after which the world is as it was before the call."""


class Found(Value):
    """One call's verdict, and why, for the operator."""

    verdict: Verdict
    why: str = ""


class Begun(Value):
    """A call of which some steps are done: how many, and the world as it was found after the last."""

    done: int
    image: Image | None


class Forced(Value):
    """A call of its own for what a forced undo overwrites."""

    call_id: str
    world: Image
    """What is overwritten."""
    state: State


class Thread(Value):
    """An undo as its lines have it."""

    undo_id: str
    operator: str
    of: tuple[str, ...]
    """The calls, in the order of undoing."""
    choice: str
    scope: JsonObject
    ended: bool
    found: Mapping[str, Found] = field(default_factory=dict)
    begun: Mapping[str, Begun] = field(default_factory=dict)
    made: frozenset[str] = frozenset()
    """The inverse calls of its finished steps."""
    replanned: Mapping[str, str] = field(default_factory=dict)
    """Calls whose steps were worked out anew for it, and by which pack."""


class Writer:
    """Writes the lines of one undo, of calls that go on side by side. Raises `JournalError`.

    Of a finished step and a finished call nobody waits for the disk: the journal keeps its lines in order, and what
    is sent next waits for a line after them. What could not be written is heard of one call later."""

    def __init__(
        self,
        journal: Journal,
        protector: Protector,
        clock: Callable[[], int],
        new_call_id: Callable[[], str],
        undo_id: str,
    ) -> None:
        self._journal = journal
        self._protector = protector
        self._clock = clock
        self._new_call_id = new_call_id
        self.undo_id = undo_id
        self._before: list[Pending] = []
        self._now: list[Pending] = []
        """Lines nobody has waited for: up to the verdict before, and since then."""

    async def begin(self, operator: str, tenant: str, arguments: JsonObject, policy: str) -> None:
        """The first line."""
        record = of_act(
            self.undo_id,
            operator,
            UNDO,
            self._protector.protect(arguments, {}),
            tenant=tenant,
            task=self.undo_id,
            intent="undo",
            tier=Tier.ADMIN,
            effect=Effect.DESTROY,
            policy_version=policy,
        )
        line = Line(self.undo_id, move(None, State.UNDOING), self._clock(), {}, record)
        await self._journal.append(line).sealed()

    def owes(self, line: Pending) -> None:
        """Somebody else's line, which is to be durable before this undo goes much further."""
        self._now.append(line)

    def step(
        self, of: str, step: int, steps: int, call: str, said: str, image: Image | None
    ) -> None:
        """One step is done, and this is the world after it."""
        body: JsonObject = {
            "of": of,
            "step": step,
            "steps": steps,
            "call": call,
            "said": said,
            "undo_next": step + 1 if step < steps else None,
        }
        if image is not None:
            plain = {name: [one.kind, one.value] for name, one in image.items()}
            body["kept"] = self._protector.seal(plain)
        self._now.append(self._line(State.UNDOING, body))

    async def verdict(self, of: str, found: Found) -> None:
        """One call is done with."""
        why = self._protector.protect_text(found.why)
        body = {"of": of, "verdict": found.verdict, "why": why}
        self._now.append(self._line(State.UNDOING, body))
        # Each line is waited for by one: other calls end while this one waits.
        before, self._before, self._now = self._before, self._now, []
        for pending in before:
            await pending.sealed()

    async def end(self, summary: str, found: Mapping[str, Found]) -> None:
        """The last line, once all before it are durable: an undo that has ended cannot be taken up."""
        for pending in (*self._before, *self._now):
            await pending.sealed()
        verdicts = {call: one.verdict for call, one in found.items()}
        await self._line(State.UNDONE, {"summary": summary, "verdicts": verdicts}).sealed()

    async def forced(self, operator: str, call: Recorded, reversal: Reversal) -> str:
        """A call of its own for what a forced undo overwrites: its id. It is undone like any other."""
        call_id = self._new_call_id()
        entry = replace(
            call.record,
            call_id=call_id,
            agent=operator,
            task=self.undo_id,
            intent="undo",
            endpoint="",
            tier=Tier.ADMIN,
            effect=Effect.DESTROY,
            rule="",
            where=f"{FOR}{call.call_id}",
        )
        body = written.intent_body(reversal, self._protector.seal)
        await self._journal.append(intent(entry, self._clock(), body)).sealed()
        return call_id

    async def forced_done(self, forced: Forced, call: Recorded) -> None:
        """The world is now as it was before the call whose undo was forced. Said once."""
        if forced.state is State.APPLIED:
            return
        reversal = call.reversal
        post = changes.turned(call.post or {}) or reversal.pre
        after = Settled(State.APPLIED, reversal, post=post)
        body = written.outcome_body(reversal, after, self._protector.seal)
        await self._settled(forced, State.APPLIED, {"outcome": "ok", **body})

    async def forced_not_done(self, forced: Forced) -> None:
        """No step of it was made."""
        never = State.REJECTED if forced.state is State.INTENT else State.NOT_APPLIED
        await self._settled(forced, never, {"outcome": "rejected", "detail": "no step was made"})

    async def _settled(self, forced: Forced, to: State, body: JsonObject) -> None:
        line = settled(forced.call_id, self._clock(), forced.state, to, body)
        await self._journal.append(line).sealed()

    def _line(self, kind: State, body: JsonObject) -> Pending:
        return self._journal.append(
            Line(self.undo_id, move(State.UNDOING, kind), self._clock(), body)
        )


def read(reader: JournalReader, protector: Protector, row: CallRow) -> Thread:
    """The undo behind a row of method bulkhead/undo. Raises `ValueError` for what cannot be opened here."""
    found: dict[str, Found] = {}
    begun: dict[str, Begun] = {}
    made: set[str] = set()
    for line in reader.lines(row.record.call_id):
        body = line.said["body"]
        if "verdict" in body:
            found[body["of"]] = Found(body["verdict"], body.get("why", ""))
        elif "step" in body:
            image = _image(protector.unseal(body["kept"])) if "kept" in body else None
            begun[body["of"]] = Begun(body["step"], image)
            made.add(body["call"])
    arguments = protector.restore(dict(row.record.arguments))
    return Thread(
        undo_id=row.record.call_id,
        operator=row.record.agent,
        of=tuple(arguments["of"]),
        choice=arguments["choice"],
        scope=arguments.get("scope", {}),
        ended=row.state is State.UNDONE,
        found=found,
        begun=begun,
        made=frozenset(made),
        replanned=arguments.get("replanned", {}),
    )


def open_threads(reader: JournalReader) -> list[CallRow]:
    """Undos that have begun and not ended, oldest first."""
    rows = reader.calls(CallFilter(state=State.UNDOING), MANY)
    return [row for row in reversed(rows) if row.record.method == UNDO]


def undone_before(reader: JournalReader) -> Mapping[str, str]:
    """Calls that undos have taken back, by the verdict they gave."""
    found: dict[str, str] = {}
    for state in (State.UNDONE, State.UNDOING):
        for row in reversed(reader.calls(CallFilter(state=state), MANY)):
            if row.record.method == UNDO:
                verdicts = _verdicts(reader, row).items()
                found.update({c: v for c, v in verdicts if found.get(c) not in TAKEN_BACK})
    return {call: verdict for call, verdict in found.items() if verdict in DONE}


def _verdicts(reader: JournalReader, row: CallRow) -> Mapping[str, str]:
    if row.state is State.UNDONE:
        verdicts: Mapping[str, str] = row.outcome.get("verdicts", {})
        return verdicts
    bodies = [line.said["body"] for line in reader.lines(row.record.call_id)]
    return {body["of"]: body["verdict"] for body in bodies if "verdict" in body}


def _image(plain: Mapping[str, Any]) -> Image:
    return {name: Captured(kind, value) for name, (kind, value) in plain.items()}
