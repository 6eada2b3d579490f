"""Grants in the journal's database: given, ended, and read again by every gateway process that shares it.

What a grant says never changes; what is left of it (ledger.py) and whether it is over do. It asks
nothing of who gives or ends: that is for whoever calls.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from gateway.core.grant import MOST_CHILDREN, End, Give, Grant, Standing
from gateway.core.model import Label
from gateway.core.purse import Purse
from gateway.errors import JournalError, Refused
from gateway.journals import budgets, labels
from gateway.journals.budgets import Bill
from gateway.journals.epoch import Epoch
from gateway.journals.ledger import Ledger
from gateway.reasons import Reason
from gateway.values import as_json, from_json, replace

log = logging.getLogger("bulkhead.journal")

T = TypeVar("T")

EPOCH: Final = "grants.epoch"
_STANDING: Final = (
    "SELECT place, document, state, said, rev, used, uses, writes, bytes, used_at"
    ' FROM "grant" JOIN purses ON place = purse WHERE'
)
_TREE: Final = (
    "WITH RECURSIVE tree (id, purse) AS ("
    "SELECT id, purse FROM \"grant\" WHERE id = ? AND state = 'active'"
    ' UNION ALL SELECT child.id, child.purse FROM "grant" AS child JOIN tree ON child.parent = tree.id'
    " WHERE child.state = 'active')"
)
_BELOW: Final = (
    "WITH RECURSIVE tree (id) AS (SELECT value FROM json_each(?)"
    ' UNION SELECT child.id FROM "grant" AS child JOIN tree ON child.parent = tree.id)'
    " SELECT id FROM tree"
)
_TENANTS: Final = (
    "SELECT DISTINCT json_extract(holder, '$[0]') FROM \"grant\""
    " WHERE state = 'active' AND json_extract(holder, ?) = ?"
)
_OF_HOLDER: Final = {"tenant": "$[0]", "agent": "$[1]", "task": "$[2]"}
_NEXT: Final = '(SELECT coalesce(max(rev), 0) + 1 FROM "grant")'
_LATEST: Final = '(SELECT max(rev) FROM "grant")'


# In the thread that owns the connection, inside the transaction of a line:


def give(ledger: Ledger, given: Sequence[Give]) -> list[Bill]:
    """New grants. Raises `Refused` (grant_over) for one whose parent is no longer in force, (outside_grant)
    for an agent's task that works for another one."""
    for each in given:
        _insert(ledger, each.grant)
    return []


def end(ledger: Ledger, ended: Sequence[End]) -> list[Bill]:
    """These and all below them, as far as they are in force. Raises `Refused` for one that is not there."""
    connection = ledger.connection
    for each in ended:
        found = connection.execute(f"{_TREE} SELECT id, purse FROM tree", (each.grant,)).fetchall()
        if not found:
            raise Refused(Reason.GRANT_OVER, f"no grant {each.grant} is in force")
        for one, purse in found:
            ledger.end(purse)
            connection.execute(
                f'UPDATE "grant" SET state = ?, said = ?, rev = {_NEXT} WHERE id = ?',
                (each.state, each.said, one),
            )
    return []


def _insert(ledger: Ledger, grant: Grant) -> None:
    connection = ledger.connection
    if grant.parent and not _is_alive(ledger, grant):
        raise Refused(Reason.GRANT_OVER, f"grant {grant.parent} is not in force")
    if grant.parent and _children(connection, grant) >= MOST_CHILDREN:
        raise Refused(Reason.OVERLOADED, f"grant {grant.parent} was handed on too often")
    holder = _holder(grant.tenant, grant.agent, grant.task)
    grant = _of_its_root(connection, grant, holder)
    terms = grant.terms
    purse, document = budgets.place(grant.root, grant.id), as_json(grant)
    connection.execute(
        f"INSERT INTO \"grant\" VALUES (?, {_NEXT}, ?, '', ?, ?, ?, ?, 'active')",
        (grant.id, document, holder, grant.root_task, purse, grant.parent),
    )
    connection.execute(
        "INSERT INTO purses VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?)",
        (
            purse,
            grant.expires_at,
            None if terms.idle is None else terms.idle * 1_000_000,
            grant.created_at,
            terms.uses,
            terms.writes,
            terms.bytes,
            None if terms.per_minute is None else 60_000_000 // terms.per_minute,
            terms.burst,
            grant.created_at,  # as long as it will be later: a row is changed in its place
        ),
    )
    ledger.given(purse)


def _holder(tenant: str, agent: str, task: str) -> str:
    return json.dumps([tenant, agent, task])


def _of_its_root(connection: sqlite3.Connection, grant: Grant, holder: str) -> Grant:
    """Labels live with the root's task. With two of them, what was read for one could leave by the other: so nobody
    hands on to a task that works for another one, and a grant that such a task is given of its own is of that one."""
    other = connection.execute(
        'SELECT root_task FROM "grant" WHERE holder = ? AND root_task <> ?',
        (holder, grant.root_task),
    ).fetchone()
    if other is None:
        return grant
    if grant.parent:
        why = f"task {grant.task} of {grant.agent} works for another task already"
        raise Refused(Reason.OUTSIDE_GRANT, why)
    return replace(grant, root_task=other[0])


def _is_alive(ledger: Ledger, grant: Grant) -> bool:
    """Its parent, when it is given."""
    parent = ledger.find(budgets.place(grant.root, grant.parent))
    return parent is not None and not parent.over(grant.created_at)


def _children(connection: sqlite3.Connection, grant: Grant) -> int:
    found = connection.execute(
        'SELECT count(*) FROM "grant" JOIN purses ON place = purse WHERE parent = ? AND expires_at > ?',
        (grant.parent, grant.created_at),
    )
    return int(found.fetchone()[0])


def _standing(row: Sequence[Any], purse: Purse | None) -> Standing:
    """A row of `_STANDING` as a value. `purse`: the grant's, where the ledger has a newer one; else None."""
    _, document, *rest = row
    found = Standing(from_json(Grant, document), *rest)
    if purse is None:
        return found
    uses, writes, size = purse.left
    return replace(
        found, used=purse.used, uses=uses, writes=writes, bytes=size, used_at=purse.used_at
    )


# On the event loop:


class SqliteGrants:
    """`grant_ports.GrantStore` in a journal's file."""

    def __init__(self, path: Path) -> None:
        """`path`: the journal's file. Raises `sqlite3.Error` when there is none."""
        self._path = path
        self._epoch = Epoch(path.with_name(EPOCH))
        self.epoch = self._epoch.now
        """See `grant_ports.GrantStore`."""
        self._read = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0, isolation_level=None
        )
        self._ledger = Ledger(self._read)

    def changed(self) -> None:
        """See `grant_ports.GrantStore`."""
        try:
            self._epoch.grow()
        except OSError as error:
            # It is durable all the same: who looks without being told (grants/book.py) finds it.
            log.error("%s: what changed is not told: %s", self._path, error)

    def since(self, rev: int, at: int = -1) -> Sequence[Standing]:
        """See `grant_ports.GrantStore`."""
        sql = f"{_STANDING} rev > ? AND (expires_at > ? OR rev = {_LATEST}) ORDER BY rev"
        rows = self._ask(lambda: self._read.execute(sql, (rev, at)).fetchall())
        return [_standing(row, None) for row in rows]

    def had(self, tenant: str, agent: str, task: str) -> bool:
        """See `grant_ports.GrantStore`."""
        sql, holder = 'SELECT 1 FROM "grant" WHERE holder = ? LIMIT 1', _holder(tenant, agent, task)
        return bool(self._ask(lambda: self._read.execute(sql, (holder,)).fetchone()))

    def find(self, grant_id: str) -> Standing | None:
        """See `grant_ports.GrantStore`."""
        rows = self._rows("id = ?", grant_id)
        return rows[0] if rows else None

    def all(self, at: int = -1) -> Sequence[Standing]:
        """See `grant_ports.GrantStore`. One that was ended expires at 0."""
        return self._rows("expires_at > ? ORDER BY rev DESC", at)

    def tenants(self, scope: str, name: str) -> frozenset[str]:
        """Those in which a grant that nobody ended is held by this agent, task or tenant. No grant is read for it:
        a fence waits for the answer, and a journal has every grant there ever was."""
        found = self._ask(
            lambda: self._read.execute(_TENANTS, (_OF_HOLDER[scope], name)).fetchall()
        )
        return frozenset(tenant for (tenant,) in found)

    def below(self, grants: Sequence[str]) -> Sequence[str]:
        """See `grant_ports.GrantStore`. No grant is read for it."""
        found = self._ask(lambda: self._read.execute(_BELOW, (json.dumps(grants),)).fetchall())
        return [grant for (grant,) in found]

    def labels(self, root: str) -> frozenset[Label]:
        """See `grant_ports.GrantStore`."""
        return self._ask(lambda: labels.raised(self._read, root))

    def close(self) -> None:
        """See `grant_ports.GrantStore`."""
        self._read.close()
        self._epoch.close()

    def _rows(self, condition: str, *values: object) -> Sequence[Standing]:
        return self._ask(lambda: self._as_of_now(f"{_STANDING} {condition}", values))

    def _as_of_now(self, sql: str, values: Sequence[object]) -> list[Standing]:
        self._read.execute("BEGIN")
        try:
            self._ledger.catch_up()
            rows = self._read.execute(sql, values)
            return [_standing(row, self._ledger.known(row[0])) for row in rows]
        except sqlite3.Error:
            # It may have stopped half way.
            self._ledger = Ledger(self._read)
            raise
        finally:
            self._read.execute("ROLLBACK")

    def _ask(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except sqlite3.Error as error:
            raise JournalError(f"{self._path}: {error}") from None
