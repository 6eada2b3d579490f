"""Which calls are to be taken back: scopes over the journal, combinable, and the order they are undone in.

Pure but for the reading of the journal. It selects; whether a call can be undone is the plan's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from gateway.core.act import UNDO
from gateway.core.model import Effect, JsonObject
from gateway.core.record import State
from gateway.core.reverse import Recorded, meet, server_key
from gateway.errors import Refused
from gateway.ports import CallFilter, CallRow, JournalReader
from gateway.reasons import Reason
from gateway.undo.ledger import MANY, Ledger
from gateway.values import Value, replace

ANY: Final = "*"
"""As a tenant: whosever it is."""
_NOWHERE: Final = frozenset({State.CANCELLED, State.NO_EFFECT, State.NOT_APPLIED})
"""Of a call that wrote nothing."""


class Wanted(Value):
    """A call is wanted when it fits every kind of scope that is given, by any of its values."""

    calls: tuple[str, ...] = ()
    """Ids or unique prefixes. A call named here may be of any maker, an inverse call too."""
    tasks: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    grants: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    """Keys: `file:/srv/notes` also wants what was written below it, and above it."""
    since: int | None = None
    """Microseconds since the epoch."""
    tenants: tuple[str, ...] = ()
    """Empty: of any, but where agents or tasks are named, of one tenant alone. `*`: of any."""

    def with_children(self, parents: Mapping[str, str]) -> Wanted:
        """The same, with the grants made from its grants, at any depth. `parents`: grant -> parent."""
        found = set(self.grants)
        while more := {child for child, above in parents.items() if above in found} - found:
            found |= more
        return replace(self, grants=tuple(sorted(found)))

    @property
    def is_empty(self) -> bool:
        """Does it name nothing? `*` for a tenant alone names nothing: it would be everything there is."""
        named = any(getattr(self, name) for name in self.__struct_fields__ if name != "tenants")
        return not named and (not self.tenants or ANY in self.tenants)

    @classmethod
    def of_json(cls, scope: JsonObject) -> Wanted:
        """What `as_json` gave. Raises `TypeError` for anything else."""
        given: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in scope.items()
        }
        return cls(**given)

    def as_json(self) -> JsonObject:
        """Only what was given."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value
        }


class Selected(Value):
    """What is in a scope, and what nobody can tell of."""

    calls: tuple[Recorded, ...]
    """Newest write first."""
    untold: tuple[str, ...] = ()
    """Calls that would be, had they written one of its resources: which they wrote nobody knows."""


class Selector:
    """Looks calls up in one journal."""

    def __init__(self, reader: JournalReader, ledger: Ledger) -> None:
        self._reader = reader
        self._ledger = ledger

    def select(self, wanted: Wanted) -> Selected:
        """The wanted calls that may have changed the world.

        Raises `Refused` (unknown_target) for a call that is not there or is a prefix of several, and for agents or
        tasks of several tenants; (malformed) for an empty scope; `JournalError`; `ValueError` when something sealed
        cannot be opened here."""
        if wanted.is_empty:
            raise Refused(Reason.MALFORMED, "name what to take back: a call, a task, an agent...")
        found = [self._ledger.of(row) for row in self._rows(wanted)]
        touching = [call for call in found if _touches(call, wanted.resources)]
        _of_one_tenant(touching, wanted)
        return Selected(in_order(touching), _untold(found, wanted))

    def untold(self, wanted: Wanted) -> tuple[str, ...]:
        """Of a scope that was selected before: as `Selected.untold`. Raises like `select`."""
        rows = self._rows(wanted) if wanted.resources else ()
        return _untold([self._ledger.of(row) for row in rows], wanted)

    def _rows(self, wanted: Wanted) -> Iterator[CallRow]:
        for row in self._named(wanted) if wanted.calls else self._listed(wanted):
            if may_have_written(row) and _fits(row, wanted) and self._is_since(row, wanted.since):
                yield row

    def _is_since(self, row: CallRow, since: int | None) -> bool:
        """Was it begun then or later? One that was held begins when it is sent, too."""
        if since is None or row.created_at >= since:
            return True
        lines = self._reader.lines(row.record.call_id)
        sent = any(line.kind is State.INTENT and line.at >= since for line in lines)
        return sent and lines[0].kind is State.HELD

    def _named(self, wanted: Wanted) -> Iterator[CallRow]:
        seen = set()
        for name in wanted.calls:
            row = self._reader.call(name)
            if row is None:
                raise Refused(Reason.UNKNOWN_TARGET, f"no call {name}, or more than one")
            if row.record.call_id not in seen:
                seen.add(row.record.call_id)
                yield row

    def _listed(self, wanted: Wanted) -> Iterator[CallRow]:
        where = CallFilter(
            agent=_only(wanted.agents),
            server=_only(wanted.servers),
            task=_only(wanted.tasks),
            grant=_only(wanted.grants),
            until_after=wanted.since,
            tenant=None if ANY in wanted.tenants else _only(wanted.tenants),
        )
        for row in self._reader.calls(where, MANY):
            if row.record.agent.startswith("agent:"):
                yield row


def _only(values: tuple[str, ...]) -> str | None:
    """What the journal itself can look for: one value."""
    return values[0] if len(values) == 1 else None


def may_have_written(row: CallRow) -> bool:
    """A call that was let through and is not known to only look."""
    record = row.record
    return (
        record.method != UNDO
        and record.effect not in (Effect.READ, "")
        and row.state != State.REFUSED
    )


def in_order(calls: Sequence[Recorded]) -> tuple[Recorded, ...]:
    """The order of undoing: what is yet to be sent, then the latest write first. Epochs order writes; no
    clock does."""

    def place(call: Recorded) -> tuple[bool, int, int]:
        return call.state is State.HELD, call.epoch, call.created_at

    return tuple(sorted(calls, key=place, reverse=True))


def _fits(row: CallRow, wanted: Wanted) -> bool:
    record = row.record
    return (
        (not wanted.tasks or record.task in wanted.tasks)
        and (not wanted.agents or record.agent in wanted.agents)
        and (not wanted.servers or record.server in wanted.servers)
        and (not wanted.sessions or record.session in wanted.sessions)
        and (not wanted.grants or record.grant in wanted.grants)
        and (not wanted.tenants or ANY in wanted.tenants or record.tenant in wanted.tenants)
    )


def _of_one_tenant(calls: Sequence[Recorded], wanted: Wanted) -> None:
    """An agent's or a task's name says who it is only within a tenant. Raises `Refused`."""
    tenants = sorted({call.record.tenant for call in calls})
    if (wanted.agents or wanted.tasks) and not (wanted.tenants or wanted.calls) and tenants[1:]:
        names = " and ".join([*wanted.agents, *(f"task {task}" for task in wanted.tasks)])
        said = f"{names}: in {' and '.join(tenants)}: say which tenant's"
        raise Refused(Reason.UNKNOWN_TARGET, said)


def _untold(calls: Sequence[Recorded], wanted: Wanted) -> tuple[str, ...]:
    return tuple(call.call_id for call in calls if wanted.resources and _is_untold(call))


def _is_untold(call: Recorded) -> bool:
    """Did it write, or may it still, nobody knows where: without a pack, forgotten, or held?"""
    if call.left_nothing:
        return False
    somewhere = {server_key(call.record.server)}
    return call.state not in _NOWHERE and set(call.keys) <= somewhere


def _touches(call: Recorded, resources: Sequence[str]) -> bool:
    return not resources or meet(call.keys, resources)
