"""The level of one very call, from its pre-image; and what two images say of an outcome. Pure.

Closed: what a pack cannot work out is level none or in doubt, never a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from gateway.core.model import Outcome
from gateway.core.record import OUTCOME_STATE, State
from gateway.core.reverse import Guard, Image, Lease, Level, Reversal, Step, Strategy, overlaps
from gateway.undo import changes
from gateway.undo.scope import NeedsResult, ReadCall, Scope, TemplateFailed
from gateway.values import Value, replace

CHANGED_ALL_THE_SAME: Final = "it says that it failed, and what it writes is not as before"


class AnyCase(Protocol):
    """A pack's case (undo/toolpack.py)."""

    @property
    def level(self) -> Level: ...
    @property
    def strategy(self) -> Strategy: ...
    @property
    def fidelity(self) -> str: ...
    @property
    def residue(self) -> tuple[str, ...]: ...
    @property
    def guard(self) -> Guard: ...
    @property
    def why(self) -> str: ...
    @property
    def hold_seconds(self) -> int: ...
    def steps(self, scope: Scope) -> tuple[Step, ...]: ...


class AnyPack(Protocol):
    """What a pack says of one tool (undo/toolpack.py says what each answer means and raises)."""

    @property
    def pack(self) -> str: ...
    @property
    def cap(self) -> Level: ...
    @property
    def rests_on(self) -> frozenset[str]: ...
    @property
    def undo_window_seconds(self) -> int | None: ...
    @property
    def hold_seconds(self) -> int: ...
    def early_keys(self, scope: Scope) -> tuple[str, ...]: ...
    def keys(self, scope: Scope) -> tuple[str, ...]: ...
    def reads(self, scope: Scope) -> tuple[ReadCall, ...]: ...
    def finds(self, scope: Scope) -> tuple[ReadCall, ...]: ...
    def choose(self, scope: Scope) -> AnyCase | None: ...
    def failed(self, scope: Scope, outcome: Outcome) -> bool: ...
    def no_effect(self, scope: Scope) -> bool | None: ...
    def expect(self, scope: Scope) -> bool | None: ...
    def same(self, recorded: Image, current: Image) -> bool: ...


class Found(Value):
    """A reversal, and the case it came from: None when nothing more can be made of it."""

    reversal: Reversal
    case: AnyCase | None = None


def found(pack: AnyPack, scope: Scope, leases: Sequence[Lease], pre: Image, now: int) -> Found:
    """The level of a call whose pre-image is known. `now`: microseconds since the epoch. Never raises."""
    scope = replace(scope, pre=pre)
    base = replace(unfound(pack, leases, ""), pre=pre)
    try:
        base = replace(base, leases=footprint(pack.keys(scope), leases))
        case = pack.choose(scope)
        if case is None:
            return Found(replace(base, why="no case of its pack fits this call"))
        return Found(_reversal(base, pack, case, scope, now), case)
    except Exception as error:
        # TemplateFailed is the declared way; whatever else a pack breaks costs the level, not the gateway.
        return Found(replace(base, level=Level.NONE, why=f"its pack: {said(error)}"))


def unfound(pack: AnyPack, leases: Sequence[Lease], why: str) -> Reversal:
    """A call of which its pack can say no more than how long it may have to wait."""
    return Reversal(
        Level.NONE,
        why=why,
        pack=pack.pack,
        leases=tuple(leases),
        hold_seconds=pack.hold_seconds,
    )


def unknown(why: str) -> Reversal:
    """A call of which no pack says anything that holds."""
    return Reversal(Level.UNKNOWN, why=why)


def _reversal(base: Reversal, pack: AnyPack, case: AnyCase, scope: Scope, now: int) -> Reversal:
    capped = case.level.rank > pack.cap.rank
    window = pack.undo_window_seconds
    return replace(
        base,
        level=pack.cap if capped else case.level,
        strategy=case.strategy,
        guard=case.guard,
        fidelity=case.fidelity,
        residue=case.residue,
        why=f"{case.why}; {case.level}, were the pack certified" if capped else case.why,
        steps=_steps(case, scope),
        hold_seconds=case.hold_seconds,
        undo_until=None if window is None else now + window * 1_000_000,
    )


def _steps(case: AnyCase, scope: Scope) -> tuple[Step, ...] | None:
    try:
        return case.steps(scope)
    except NeedsResult:
        return None


def footprint(keys: Sequence[str], leases: Sequence[Lease]) -> tuple[Lease, ...]:
    """What the call writes, each resource with the number of the lease that covers it. Raises `TemplateFailed`."""
    return tuple(Lease(key, _epoch(key, leases)) for key in keys)


def _epoch(key: str, leases: Sequence[Lease]) -> int:
    for lease in leases:
        if overlaps(lease.key, key) and len(lease.key.rstrip("/")) <= len(key.rstrip("/")):
            return lease.epoch
    raise TemplateFailed(f"{key} is not among what was leased")


def judged(pack: AnyPack, scope: Scope, outcome: Outcome) -> tuple[State, str]:
    """Where an answered call stands, from its words, `scope.pre` and `scope.post`; and why, if not as it says.

    Error and changed: in doubt. Answered and unchanged: no effect; never of what could not be read."""
    word, pre, post = worded(pack, scope, outcome), scope.pre, scope.post
    if pre is None or post is None:
        return word, ""
    scope = replace(scope, result=outcome)
    unchanged = pack.same(pre, post)
    if word is not State.APPLIED:
        # Its own word, and all looks as before: enough also where what is there could not be read.
        believed = unchanged or dict(pre) == dict(post)
        return (word, "") if believed else (State.IN_DOUBT, CHANGED_ALL_THE_SAME)
    if unchanged and pack.no_effect(scope):
        return State.NO_EFFECT, "it was answered, and nothing changed"
    return State.APPLIED, ""


def worded(pack: AnyPack, scope: Scope, outcome: Outcome) -> State:
    """Where the call stands by the server's words alone: an error text in a result is one too."""
    if outcome.kind == "ok" and pack.failed(scope, outcome):
        return State.FAILED
    return OUTCOME_STATE[outcome.kind]


def with_changes(reversal: Reversal, image: Image) -> Reversal:
    """The same, with the footprint that is known now."""
    found = changes.among(image)
    if found is None:
        return reversal
    return replace(reversal, leases=changes.narrowed(reversal.leases, changes.written(found)))


def foreign(pack: AnyPack, reversal: Reversal, scope: Scope) -> Reversal:
    """The same; lowered when the pack can say what its call makes, and `scope.post` is something else. Somebody may
    have written there while the call was under way, and an undo would take that for the call's doing."""
    pre, post = scope.pre, scope.post
    if reversal.level is Level.NOOP and pre and post and not pack.same(pre, post):
        return lowered(reversal, "it was to change nothing, and what it was about is not as before")
    if reversal.level is Level.NONE or pack.expect(replace(scope, cur=scope.post)) is not False:
        return reversal
    return lowered(
        reversal, "what it left is not what it makes: somebody may have written there meanwhile"
    )


def late(case: AnyCase | None, reversal: Reversal, scope: Scope) -> Reversal:
    """The same, with the steps that needed the result; level none if they cannot be made. Never raises."""
    if reversal.steps is not None or case is None or reversal.level is Level.NONE:
        return reversal
    try:
        return replace(reversal, steps=case.steps(scope))
    except Exception as error:
        return lowered(reversal, f"its steps: {said(error)}")


def lowered(reversal: Reversal, why: str) -> Reversal:
    """The same call, no longer to be undone by itself."""
    return replace(reversal, level=Level.NONE, strategy="none", why=why)


def unsent(reversal: Reversal) -> Reversal:
    """The same call, which never reached its tool server."""
    return replace(reversal, level=Level.NOOP, strategy="none", why="it was not sent")


def said(error: Exception) -> str:
    """An error in a line for the operator."""
    return str(error) or type(error).__name__


def probed(
    pack: AnyPack, scope: Scope, stopped: bool, beyond: str = ""
) -> tuple[State | None, str]:
    """Where a call in doubt stands, from `scope.pre` and `scope.cur`; None: still in doubt. Why, in words.

    `stopped`: nothing of the call can take effect any more. Without that, "not applied" is never said; nor is it of
    a call that does something `beyond` what can be looked at."""
    pre, cur = scope.pre, scope.cur
    if pre is None or cur is None:
        return None, "there is no pre-image to compare with"
    if pack.same(pre, cur):
        if stopped and beyond:
            return (
                State.NEEDS_HUMAN,
                f"no record is other than before; nobody can look for: {beyond}",
            )
        if stopped:
            return State.NOT_APPLIED, "its writer is stopped, and all is as it was before"
        return None, "all is as it was before, but its writer may still be at work"
    if pack.expect(scope) is True:
        return State.APPLIED, "all is as the call would have made it"
    if stopped:
        return State.NEEDS_HUMAN, "neither as it was before nor as the call would have made it"
    return (
        None,
        "neither as before nor as the call would have made it, and its writer may be at work",
    )
