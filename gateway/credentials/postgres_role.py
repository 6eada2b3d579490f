"""`postgres_role`: a login role that lives as long as its lease, in a PostgreSQL database.

What is made in its sessions belongs to the role it stands for, so that nothing of it is left when it is
dropped. Its password never travels in clear, also not into the database's log: only its SCRAM verifier
does. `VALID UNTIL` alone ends no session, so ending it means: no login, no session, no role.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql
from psycopg.sql import Identifier, Literal

from gateway.config.credential_settings import PostgresRole
from gateway.credential_ports import Minted, NoCredential, Wanted
from gateway.credentials.references import Reference

AT_ONCE: Final = 8
"""Connections of the gateway to one database."""
CONNECT_SECONDS: Final = 5
SESSIONS_SECONDS: Final = 2.0
"""How long its sessions get to die."""
Connection = psycopg.AsyncConnection[tuple[object, ...]]


class PostgresRoles:
    """`CredentialProvider` over one database."""

    def __init__(self, settings: PostgresRole, home: Path) -> None:
        self._dsn = Reference(settings.dsn, home)
        self._dsn.warn_if_open()
        self._role = Identifier(settings.role)
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def issue(self, wanted: Wanted) -> Minted:
        """See `CredentialProvider`."""
        name, password = _name(wanted.lease), secrets.token_urlsafe(24)
        async with self._connected() as database:
            verifier = database.pgconn.encrypt_password(
                password.encode(), name.encode(), b"scram-sha-256"
            ).decode()
            found = await database.execute(
                "SELECT (now() + make_interval(secs => %s))::text", (wanted.seconds,)
            )
            until = await found.fetchone()
            assert until is not None
            making = sql.SQL(
                "CREATE ROLE {} LOGIN INHERIT NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD {}"
                " VALID UNTIL {} IN ROLE {}"
            ).format(Identifier(name), Literal(verifier), Literal(until[0]), self._role)
            acting = sql.SQL("ALTER ROLE {} SET role TO {}").format(Identifier(name), self._role)
            async with database.transaction():
                await database.execute(making)
                await database.execute(acting)
        values = {"username": name, "password": password}
        return Minted(values, frozenset({"password"}), name, wanted.seconds)

    async def revoke(self, lease: str, ref: str, minted: Minted | None) -> bool:
        """See `CredentialProvider`. When the role cannot be dropped it can at least not log in any more."""
        name = _name(lease)
        async with self._connected() as database:
            found = await database.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,))
            if await found.fetchone() is None:
                return True
            shut = sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL VALID UNTIL '-infinity'")
            await database.execute(shut.format(Identifier(name)))
            await self._end_sessions(database, name)
            try:
                await database.execute(sql.SQL("DROP ROLE {}").format(Identifier(name)))
            except psycopg.errors.DependentObjectsStillExist:
                await self._hand_over(database, name)
        return True

    async def aclose(self) -> None:
        """See `CredentialProvider`."""

    async def _end_sessions(self, database: Connection, name: str) -> None:
        async with asyncio.timeout(SESSIONS_SECONDS):
            while True:
                found = await database.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s",
                    (name,),
                )
                if not await found.fetchall():
                    return
                await asyncio.sleep(0.01)

    async def _hand_over(self, database: Connection, name: str) -> None:
        """What it made after all, by stepping out of its role, goes to that role."""
        gone = Identifier(name)
        async with database.transaction():
            for statement in ("REASSIGN OWNED BY {} TO {}", "DROP OWNED BY {}", "DROP ROLE {}"):
                await database.execute(sql.SQL(statement).format(gone, self._role))

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        """Raises `NoCredential`, with the database's code and not its words: those repeat what was sent."""
        dsn = self._dsn.read()
        async with self._slots:
            try:
                database = await psycopg.AsyncConnection.connect(
                    dsn, autocommit=True, connect_timeout=CONNECT_SECONDS
                )
            except psycopg.Error:
                raise NoCredential(f"{self._dsn}: no connection", nothing=True) from None
            try:
                yield database
            except TimeoutError:
                raise NoCredential("its sessions do not end") from None
            except psycopg.Error as error:
                said = f"{type(error).__name__} ({error.sqlstate or 'connection lost'})"
                raise NoCredential(f"the database said {said}") from None
            finally:
                await database.close()


def _name(lease: str) -> str:
    return f"bulkhead_{lease}"
