"""The words of undo: how far one very call can be taken back, what that rests on, and what would be done.

Pure values and their order. Packs (undo/packs.py) say how a server's tools are undone; the Line finds
the level of each call from its pre-image, before the last decision. Levels and guards: facts of the
call, never of the tool.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Any, Final, Literal

from gateway.core.model import CallRecord, JsonObject
from gateway.core.record import Claim, State
from gateway.values import Value, field, replace


class Level(StrEnum):
    """How far this call can be undone."""

    UNKNOWN = "unknown"
    """No pack, a pack that does not fit this server, or one that is not certified for more."""
    NONE = "none"
    COMPENSABLE = "compensable"
    """Something can be done about it; a residue stays."""
    SET_EXACT = "set_exact"
    """The same things again, in any order."""
    EXACT = "exact"
    NOOP = "noop"
    """Provably changes nothing."""
    READ = "read"

    @property
    def rank(self) -> int:
        """unknown < none < compensable < set_exact < exact < noop < read."""
        return _RANK[self]


_RANK: Final = {level: rank for rank, level in enumerate(Level)}

Guard = Literal["none", "check-then-act", "locked-check", "cas"]
"""What protects a later writer from the undo, weakest first. cas: the server compares; locked-check:
all known writers go through our lease; check-then-act: a race window stays."""
GUARDS: Final[tuple[Guard, ...]] = ("none", "check-then-act", "locked-check", "cas")

Strategy = Literal[
    "inverse", "restore", "quarantine", "companion", "snapshot", "tcc", "hold", "none"
]


class Captured(Value):
    """What one read found: a value that fits its schema, nothing there, or something that is neither."""

    kind: Literal["value", "absent", "other"]
    value: Any = None


Image = Mapping[str, Captured]
"""Captures by name: a pre-image or a post-image. An empty image proves nothing."""


class Step(Value):
    """One literal inverse call."""

    server: str
    tool: str
    arguments: JsonObject
    idempotent: bool = False
    note: str = ""


class Lease(Value):
    """A held resource. `epoch` only ever grows: it is the order of writes, and the fence."""

    key: str
    epoch: int


class Reversal(Value):
    """How this very call would be taken back: found before it is forwarded, written with its intent."""

    level: Level
    strategy: Strategy = "none"
    guard: Guard = "none"
    fidelity: str = ""
    """What "the same" means: bytes, content+mode, set, fields."""
    residue: tuple[str, ...] = ()
    why: str = ""
    """For the operator: which case of which pack, or why the level is no higher."""
    heard: str = ""
    """What a tool server said in place of what was to be read: for the operator alone. It stands in no line of a
    call that is forwarded, for a warrant shows those to its agent's host."""
    pack: str = ""
    """`<name>@sha256:<hex>` of the pack file."""
    leases: tuple[Lease, ...] = ()
    pre: Image = field(default_factory=dict)
    steps: tuple[Step, ...] | None = None
    """None while the steps need the result (they are made at settlement), or there are none."""
    undo_until: int | None = None
    """Microseconds since the epoch; None when there is no end."""
    hold_seconds: int = 0
    """How long its pack wants it to wait before it is sent."""

    @property
    def beyond(self) -> str:
        """What it does, by its pack, that no look at the records shows (a mail); empty: nothing."""
        by_records = self.strategy == "snapshot" and self.level is Level.COMPENSABLE
        return "; ".join(self.residue) if by_records else ""


def overlaps(one: str, other: str) -> bool:
    """Is one of these resources the other, or inside of it? Whole segments: `file:/a` has `file:/a/b`."""
    one, other = one.rstrip("/"), other.rstrip("/")
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def meet(keys: Iterable[str], others: Collection[str]) -> bool:
    """Is any of these resources one of those, or inside of one, or around one?"""
    return any(overlaps(mine, theirs) for mine in keys for theirs in others)


def server_key(server: str) -> str:
    """The key of a whole server: held alone by a write nobody can say more of, shared by all others."""
    return f"server:/{server}"


class Leased(Claim):
    """A line says what a write left behind: true only if the call still has its leases as that is written."""

    call_id: str
    count: int
    """Rows in the store: resources held alone and shared."""
    run: str = ""
    """The gateway process that holds them: an undo that another one has taken up has the same number."""


class Taking(Claim):
    """A write holds a resource alone from the commit of its intent on, which names the number it foresees: true only
    if that is still to be given, and no other process holds anything."""

    call_id: str
    lease: Lease
    run: str
    """The gateway process that takes it."""
    until: int
    """When it ends by itself, in microseconds since the epoch."""
    quiesce: int
    """How long after the end of its process, in microseconds."""


class Taken(Value):
    """Leases a call has, or will have with the line that has these claims."""

    leases: tuple[Lease, ...]
    claims: tuple[Claim, ...] = ()


class Settled(Value):
    """What is known once a call has been answered and the world looked at again."""

    state: State
    """What the outcome's own words and the two images together say of the call."""
    reversal: Reversal
    """As it was prepared, with steps that needed the result, or lowered: no post-image, a lost lease."""
    post: Image | None = None
    """None: not read (in doubt, no pack) or not readable (then the level is none)."""
    why: str = ""
    """For the operator, when the state is not what the server said."""
    rests_on: Leased | None = None
    """What must still hold when this is written; if it does not, `lapsed` is written."""


def lapsed(settled: Settled) -> Settled:
    """The same, of a call whose leases ended before it did: its post-image may be somebody else's doing."""
    why = "its lease ended before it did: others may have written meanwhile"
    lowered = replace(settled.reversal, level=Level.NONE, strategy="none", why=why)
    return replace(settled, reversal=lowered, why=why, rests_on=None)


class Recorded(Value):
    """All the journal knows of how one call is undone: for who settles, plans and executes."""

    record: CallRecord
    state: State
    arguments: JsonObject | None
    """As they were forwarded; None when the journal kept only a commitment of some of them."""
    partial: JsonObject | None
    """The same, with a stand-in for each value that is redacted (undo/ledger.py); None when more is missing."""
    reversal: Reversal
    """As of the latest line that says something of it."""
    post: Image | None
    created_at: int
    settled_at: int | None
    lines: int
    """How many lines the call has: a plan that saw fewer is out of date."""
    run: str = ""
    """The gateway process that forwarded it."""

    @property
    def call_id(self) -> str:
        return self.record.call_id

    @property
    def keys(self) -> tuple[str, ...]:
        """The resources it wrote, or may have."""
        return tuple(lease.key for lease in self.reversal.leases)

    @property
    def left_nothing(self) -> bool:
        """It failed, and nothing of it is in the world: that was looked at, or it was never sent. A server's word
        alone is not believed."""
        failed = self.state in (State.FAILED, State.REJECTED)
        return failed and (bool(self.reversal.pre) or self.reversal.level is Level.NOOP)

    @property
    def epoch(self) -> int:
        """The order of this write among all writes; 0 when it held no lease."""
        return max((lease.epoch for lease in self.reversal.leases), default=0)


LAST: Final = 1 << 62
"""An epoch no lease gets to."""


def forgotten(server: str) -> Reversal:
    """What is left of a write whose images were forgotten: it wrote somewhere on its server, and is taken
    for later than any other that is asked about."""
    why = "what it overwrote has been forgotten"
    return Reversal(Level.NONE, why=why, leases=(Lease(server_key(server), LAST),))


UNKNOWN: Final = Reversal(Level.UNKNOWN, why="no undo pack for this server")
READ: Final = Reversal(Level.READ)

Verdict = Literal[
    "restored",
    "compensated",
    "already",
    "no_effect",
    "not_applied",
    "conflict",
    "in_doubt",
    "irreversible",
    "failed",
    "unverified",
    "refused",
]
"""What a rollback reports of one call. Never `restored` without a reading that says so."""
