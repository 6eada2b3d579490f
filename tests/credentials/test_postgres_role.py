"""A login role of one lease: what it may do, what it leaves behind, and what the database's own log says of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateway.config.clients import Secret
from gateway.config.credential_settings import PostgresRole
from gateway.core.credential import our_own
from gateway.core.model import Tier
from gateway.credential_ports import Minted, NoCredential, Wanted
from gateway.credentials import postgres_role
from gateway.credentials.postgres_role import PostgresRoles
from tests.credentials.places import database

LEASE = "abcdefghijklmnop"
WANTED = Wanted(LEASE, our_own("local", Tier.DATA), 60)


@pytest.fixture(scope="module")
def uri() -> Iterator[str]:
    with database() as found:
        yield found


@pytest.fixture
def roles(uri: str, tmp_path: Path) -> PostgresRoles:
    return made(tmp_path, uri)


def made(place: Path, dsn: str, role: str = "reporting") -> PostgresRoles:
    (place / "dsn").write_text(dsn)
    (place / "dsn").chmod(0o600)
    settings = PostgresRole(provider="postgres_role", dsn=Secret(file="dsn"), role=role)
    return PostgresRoles(settings, place)


@asynccontextmanager
async def session(uri: str, user: str = "postgres") -> AsyncIterator[Any]:
    connection = await psycopg.AsyncConnection.connect(uri, user=user, autocommit=True)
    try:
        yield connection
    finally:
        await connection.close()


async def asked(uri: str, statement: str, *values: object) -> Any:
    async with session(uri) as database:
        return await (await database.execute(statement, values)).fetchone()


async def ended(roles: PostgresRoles, uri: str, minted: Minted) -> None:
    assert await roles.revoke(LEASE, minted.ref, minted)
    assert await asked(uri, "SELECT 1 FROM pg_roles WHERE rolname = %s", minted.ref) is None


async def test_it_acts_as_the_role_it_stands_for_and_no_more(
    roles: PostgresRoles, uri: str
) -> None:
    minted = await roles.issue(WANTED)
    async with session(uri, minted.values["username"]) as mine:
        row = await (await mine.execute("SELECT current_user, session_user")).fetchone()
        assert row == ("reporting", f"bulkhead_{LEASE}")
        for forbidden in ("CREATE ROLE x", "CREATE DATABASE x", "SELECT * FROM pg_authid"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await mine.execute(forbidden)
    until = await asked(
        uri, "SELECT rolvaliduntil - now() FROM pg_roles WHERE rolname = %s", minted.ref
    )
    assert 0 < until[0].total_seconds() <= 60
    await ended(roles, uri, minted)


async def test_what_it_made_stays_and_belongs_to_that_role(roles: PostgresRoles, uri: str) -> None:
    minted = await roles.issue(WANTED)
    async with session(uri, minted.ref) as mine:
        await mine.execute("CREATE TABLE made (n int)")
        await mine.execute("RESET ROLE; CREATE TABLE made_otherwise (n int)")
    await ended(roles, uri, minted)
    for table in ("made", "made_otherwise"):
        owner = await asked(uri, "SELECT tableowner FROM pg_tables WHERE tablename = %s", table)
        assert owner == ("reporting",)


async def test_every_session_dies_in_the_middle_of_what_it_does(
    roles: PostgresRoles, uri: str
) -> None:
    minted = await roles.issue(WANTED)
    open_sessions = [await psycopg.AsyncConnection.connect(uri, user=minted.ref) for _ in range(5)]
    await open_sessions[0].execute("SELECT * FROM report")  # and holds a transaction open
    await ended(roles, uri, minted)
    for mine in open_sessions:
        with pytest.raises(psycopg.OperationalError):
            await mine.execute("SELECT 1")
        await mine.close()


async def test_its_password_is_not_in_the_databases_log(roles: PostgresRoles, uri: str) -> None:
    async with session(uri) as admin:
        await admin.execute("ALTER SYSTEM SET log_statement = 'all'")
        await admin.execute("SELECT pg_reload_conf()")
        (data,) = await (await admin.execute("SHOW data_directory")).fetchone()
    minted = await roles.issue(WANTED)
    text = "".join(
        path.read_text(errors="replace") for path in Path(data).rglob("*log*") if path.is_file()
    )
    assert f'CREATE ROLE "{minted.ref}"' in text
    assert minted.values["password"] not in text
    await ended(roles, uri, minted)


async def test_a_database_that_refuses_is_told_of_by_its_code_only(
    uri: str, tmp_path: Path
) -> None:
    roles = made(tmp_path, uri, role="nobody_has_made_this")
    with pytest.raises(NoCredential) as caught:
        await roles.issue(WANTED)
    assert "UndefinedObject" in str(caught.value) and "SCRAM" not in str(caught.value)
    assert (
        await asked(uri, "SELECT 1 FROM pg_roles WHERE rolname = %s", f"bulkhead_{LEASE}") is None
    )


async def test_a_session_that_will_not_die_is_no_success(
    roles: PostgresRoles, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the gateway's role may not end sessions: it is to be asked again, and nobody can log in meanwhile."""
    monkeypatch.setattr(postgres_role, "SESSIONS_SECONDS", 0.0)
    minted = await roles.issue(WANTED)
    with pytest.raises(NoCredential, match="sessions do not end"):
        await roles.revoke(LEASE, minted.ref, minted)
    with pytest.raises(psycopg.OperationalError):
        await psycopg.AsyncConnection.connect(uri, user=minted.ref)
    monkeypatch.undo()
    await ended(roles, uri, minted)
