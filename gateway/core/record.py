"""The states of a call and the only way to a Permit. Pure: it says what must be written, not how.

Laws:
1. Every state a call can be in and every move between states stands in `MOVES`. An illegal move
   raises `IllegalMove`; no other file names a next state.
2. A `Permit` is made in one place, `permit()`, from a journal line: for a write or a destroy the line
   is durable (`Sealed`), for a read it is in the journal's queue (`Queued`) and must be durable
   before the reply.
3. Nothing is forwarded without a `Permit`; a permit is for one call, once.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from gateway.core.model import CallRecord, Effect, OutcomeKind, Own
from gateway.values import Value, force_setattr


class State(StrEnum):
    """Where a call stands, or an undo of calls."""

    REFUSED = "refused"
    HELD = "held"
    """Decided and not sent: it is sent when its time has come, if nobody has taken it back by then."""
    CANCELLED = "cancelled"
    """It was held, and taken back: it has never been sent."""
    NOTED = "noted"
    """No call: what an operator said, on record like one."""
    INTENT = "intent"
    APPLIED = "applied"
    FAILED = "failed"
    REJECTED = "rejected"
    NO_EFFECT = "no_effect"
    """It was answered, and the world is as it was."""
    IN_DOUBT = "in_doubt"
    NOT_APPLIED = "not_applied"
    """It was in doubt; its writer was stopped, and the world is as it was."""
    NEEDS_HUMAN = "needs_human"
    """It was in doubt, and looking did not tell."""
    UNDOING = "undoing"
    """An undo has begun, or one more of its steps is done. A thread of its own: the calls it undoes
    keep their states."""
    UNDONE = "undone"
    """An undo has ended, with a verdict for each call."""


WORDS: Final = {state: state.value for state in State}
"""Each as a plain text, for what is written with every line: a member of an enum is asked for it slowly."""


class IllegalMove(Exception):
    """A bug of ours: a move the table does not hold."""


_ANSWERED: Final = frozenset({State.APPLIED, State.FAILED, State.REJECTED, State.NO_EFFECT})

MOVES: Final[dict[State | None, frozenset[State]]] = {
    None: frozenset({State.REFUSED, State.HELD, State.NOTED, State.INTENT, State.UNDOING}),
    State.NOTED: frozenset(),
    # Another time, its time, a no at its time, or a person's.
    State.HELD: frozenset({State.HELD, State.INTENT, State.REFUSED, State.CANCELLED}),
    State.CANCELLED: frozenset(),
    State.INTENT: _ANSWERED | {State.IN_DOUBT},
    # A late answer settles a doubt, or looking does after the writer was stopped; nothing else.
    State.IN_DOUBT: _ANSWERED | {State.NOT_APPLIED, State.NEEDS_HUMAN},
    # A late answer, a second look, or a person who looked.
    State.NEEDS_HUMAN: _ANSWERED | {State.NOT_APPLIED},
    State.REFUSED: frozenset(),
    State.APPLIED: frozenset(),
    State.FAILED: frozenset(),
    State.REJECTED: frozenset(),
    State.NO_EFFECT: frozenset(),
    State.NOT_APPLIED: frozenset(),
    State.UNDOING: frozenset({State.UNDOING, State.UNDONE}),
    State.UNDONE: frozenset(),
}

FIRST: Final = MOVES[None]
"""Kinds a first line may have."""
LATER: Final = frozenset[State]().union(*(to for state, to in MOVES.items() if state is not None))
"""Kinds a later line may have. An undo's lines are of one kind from the first to the last but one."""
DOUBTFUL: Final = frozenset({State.IN_DOUBT, State.NEEDS_HUMAN})
"""It was forwarded, and what came of it is not known."""
UNSETTLED: Final = frozenset({State.HELD, State.INTENT, State.UNDOING})
"""Something of the call or the undo is still to come."""

OUTCOME_STATE: Final[dict[OutcomeKind, State]] = {
    "ok": State.APPLIED,
    "tool_error": State.FAILED,
    "rejected": State.REJECTED,
    "in_doubt": State.IN_DOUBT,
}


def move(current: State | None, to: State) -> State:
    """`to`, if the table allows it from `current`; raises `IllegalMove` otherwise."""
    if to not in MOVES[current]:
        raise IllegalMove(f"{current} -> {to}")
    return to


_BEGUN: Final = move(None, State.INTENT)
_STANDS: Final = {kind: move(State.INTENT, state) for kind, state in OUTCOME_STATE.items()}


class Claim(Value):
    """Something a line stands or falls with: it is used up in the very commit that makes the line durable.

    A line whose claim does not hold is not written; whoever waits for it gets a `Refused`."""


MOST_HELD: Final = 1_000
"""Calls of one agent that wait. No budget counts them, each is kept with all it takes to send it, and all are looked
at every second."""


class Waits(Claim):
    """One more call of an agent waits to be sent."""

    agent: str
    tenant: str


class Line(Value):
    """One line for the journal. `kind` is the state it moves the call to; `body` is JSON-ready."""

    call_id: str
    kind: State
    at: int
    """Microseconds since the epoch: for people. Order is the journal's sequence, never this."""
    body: dict[str, Any]
    record: CallRecord | None = None
    """Set on the first line of a call (refused, intent); later lines name the call only."""
    claims: tuple[Claim, ...] = ()
    own: Own | None = None
    """Where `record` is what the call has in common with others, and nobody's: what is not in it."""


class Queued(Value):
    """A line accepted by the journal, in order, not yet durable. Made by journals only."""

    call_id: str
    kind: State


class Sealed(Value):
    """A line that is durable: it survives a power cut. Made by journals only."""

    call_id: str
    kind: State
    seq: int


_KEY: Final = object()
ONLY_READS: Final = Effect.READ
"""Asked for several times with every call: as a member of its enum it is looked for anew each time."""


class Permit(Value):
    """Leave to forward one call once. Only `permit()` can make one."""

    call_id: str
    effect: Effect
    _key: object
    """Shown when it is made and not kept, so that no permit can be made into another."""

    def __post_init__(self) -> None:
        if self._key is not _KEY:
            raise TypeError("a Permit comes only from record.permit()")
        force_setattr(self, "_key", None)


def permit(line: Sealed | Queued, effect: Effect) -> Permit:
    """The leave that follows from a written intent. Raises `IllegalMove` when the line does not carry it."""
    if line.kind is not _BEGUN:
        raise IllegalMove(f"no permit from a line of kind {line.kind}")
    if effect is not ONLY_READS and not isinstance(line, Sealed):
        raise IllegalMove("a write needs its intent durable before it is forwarded")
    return Permit(line.call_id, effect, _KEY)


def intent(
    record: CallRecord,
    at: int,
    body: dict[str, Any] | None = None,
    claims: tuple[Claim, ...] = (),
) -> Line:
    """The line written before a forward. `body`: how the call would be undone (core/written.py)."""
    return Line(record.call_id, move(None, State.INTENT), at, body or {}, record, claims)


def intent_like(
    call_id: str,
    at: int,
    body: dict[str, Any],
    like: CallRecord,
    claims: tuple[Claim, ...],
    own: Own,
) -> Line:
    """The same, of one among calls like it. `like`: what they have in common (core/describe.py)."""
    return Line(call_id, _BEGUN, at, body, like, claims, own)


def noted(record: CallRecord, at: int, body: dict[str, Any], claims: tuple[Claim, ...]) -> Line:
    """The line of what an operator said, durable with what it changes or not at all."""
    return Line(record.call_id, move(None, State.NOTED), at, body, record, claims)


def held(record: CallRecord, at: int, body: dict[str, Any], claims: tuple[Claim, ...] = ()) -> Line:
    """The line of a call that waits. `body`: until when, and all that sending it takes (line/holding.py)."""
    waits = Waits(record.agent, record.tenant)
    return Line(record.call_id, move(None, State.HELD), at, body, record, (*claims, waits))


def after_hold(call_id: str, at: int, to: State, body: dict[str, Any]) -> Line:
    """The line that says what becomes of a held call: it is sent, refused, taken back, or waits on."""
    return Line(call_id, move(State.HELD, to), at, body)


def refusal(
    record: CallRecord, at: int, reason: str, detail: str, more: dict[str, Any] | None = None
) -> Line:
    """The line written instead of a forward. `more`: the level it was refused at, once that was known."""
    body = {"reason": reason, "detail": detail, **(more or {})}
    return Line(record.call_id, move(None, State.REFUSED), at, body, record)


def outcome(
    call_id: str,
    at: int,
    kind: OutcomeKind,
    body: dict[str, Any],
    state: State | None = None,
    claims: tuple[Claim, ...] = (),
) -> Line:
    """The line written after a forward (or, as `in_doubt`, by recovery).

    `state`: where the call stands when a look at the world says other than the outcome's own words."""
    stands = _STANDS[kind] if state is None else move(State.INTENT, state)
    return Line(call_id, stands, at, {"outcome": kind, **body}, None, claims)


def settled(call_id: str, at: int, current: State, to: State, body: dict[str, Any]) -> Line:
    """The line that says where a call stands after a look at the world, a late answer or a person."""
    return Line(call_id, move(current, to), at, body)
