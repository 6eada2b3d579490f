"""What every `CredentialProvider` promises, against the real place its credentials come from.

A new provider joins by one line in `BENCHES`; one that has none fails here.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import time
from base64 import b32encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import botocore.session
import psycopg
import pytest
from moto import mock_aws
from pydantic import TypeAdapter

from gateway.config.credential_settings import Offer
from gateway.core.credential import Account
from gateway.core.model import Endpoint, Tier
from gateway.credential_ports import CredentialProvider, Minted, NoCredential, Wanted
from gateway.credentials.providers import PROVIDERS, provider
from gateway.identity.local import LocalIssuer
from tests.credentials.places import (
    OPAQUE,
    SECRET,
    AuthorizationServer,
    authorizing,
    database,
    keys_of,
)
from tests.credentials.vaults import TOKEN, vault

NOWHERE = "http://127.0.0.1:9"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Bench:
    """A provider, whether what it gave works, and the same provider where nothing answers."""

    settings: dict[str, Any]
    works: Callable[[Minted], Awaitable[bool]]
    unreachable: dict[str, Any]
    can_revoke: bool
    token: str = ""


@contextmanager
def static(home: Path) -> Iterator[Bench]:
    (home / "secret.txt").write_text("a-secret-of-a-server\n")
    (home / "secret.txt").chmod(0o600)

    async def works(minted: Minted) -> bool:
        return minted.values["secret"] == "a-secret-of-a-server"

    gone = {"secret": {"file": "gone.txt"}}
    yield Bench({"secret": {"file": "secret.txt"}}, works, gone, can_revoke=False)


def _asking(server: AuthorizationServer, token: str = "") -> Bench:
    """At an authorization server."""
    settings = {
        "token_url": server.token_url,
        "revocation_url": server.revocation_url,
        "client_id": "bulkhead",
        "client_secret": {"file": "own.txt"},
        "resource": OPAQUE,
        "scope": "read",
    }

    async def works(minted: Minted) -> bool:
        said = await asyncio.to_thread(server.says_of, minted.values["token"])
        return said["active"] is True

    return Bench(settings, works, {"token_url": NOWHERE}, can_revoke=True, token=token)


@contextmanager
def oauth(home: Path) -> Iterator[Bench]:
    with authorizing() as server:
        yield _asking(server)


@contextmanager
def by_key(home: Path) -> Iterator[Bench]:
    """The gateway proves itself by `private_key_jwt` (RFC 7523) there, also where it ends a token."""
    with authorizing() as server:
        (home / "key.pem").write_text(server.key_pem)
        (home / "key.pem").chmod(0o600)
        bench = _asking(server)
        own = {"client_id": "bulkhead-key", "private_key": {"file": "key.pem"}}
        yield replace(bench, settings={**bench.settings, "client_secret": None, **own})


@contextmanager
def exchange(home: Path) -> Iterator[Bench]:
    issuer = LocalIssuer.open(home / "state", "http://127.0.0.1:8811")
    endpoint = Endpoint("all")
    token = issuer.mint(
        agent="triage-1",
        endpoint=endpoint,
        tiers=endpoint.tiers,
        tenant="local",
        task="T-1",
        intent="general",
        now=int(time.time()),
    )
    with authorizing(keys_of(home / "state")) as server:
        yield _asking(server, token)


@contextmanager
def postgres(home: Path) -> Iterator[Bench]:
    with database() as uri:
        (home / "dsn.txt").write_text(uri)

        async def works(minted: Minted) -> bool:
            try:
                connection = await psycopg.AsyncConnection.connect(
                    uri, user=minted.values["username"], password=minted.values["password"]
                )
            except psycopg.OperationalError:
                return False
            async with connection:
                await connection.execute("SELECT * FROM report")
            return True

        (home / "gone.txt").write_text(f"postgresql://admin:{SECRET}@127.0.0.1:9/postgres")
        settings = {"dsn": {"file": "dsn.txt"}, "role": "reporting"}
        yield Bench(settings, works, {"dsn": {"file": "gone.txt"}}, can_revoke=True)


@contextmanager
def sts(home: Path) -> Iterator[Bench]:
    own = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": SECRET}
    saved = dict(os.environ)
    os.environ.update(own)
    (home / "policy.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": []}))

    def who(minted: Minted) -> str:
        client = botocore.session.get_session().create_client(
            "sts",
            region_name="eu-central-1",
            aws_access_key_id=minted.values["access_key_id"],
            aws_secret_access_key=minted.values["secret_access_key"],
            aws_session_token=minted.values["session_token"],
        )
        return str(client.get_caller_identity()["Arn"])

    async def works(minted: Minted) -> bool:
        return f"assumed-role/tickets/{minted.ref}" in await asyncio.to_thread(who, minted)

    settings = {
        "role_arn": "arn:aws:iam::123456789012:role/tickets",
        "region": "eu-central-1",
        "policy": {"file": "policy.json"},
    }
    try:
        with mock_aws():
            yield Bench(settings, works, {"policy": {"file": "gone.json"}}, can_revoke=False)
    finally:
        os.environ.clear()
        os.environ.update(saved)


@contextmanager
def dynamic(home: Path) -> Iterator[Bench]:
    with vault() as kept:
        (home / "vault.txt").write_text(TOKEN)

        async def works(minted: Minted) -> bool:
            return minted.values["password"] in kept.alive.values()

        settings = {
            "address": kept.address,
            "token": {"file": "vault.txt"},
            "path": "database/creds/reader",
        }
        yield Bench(settings, works, {"address": NOWHERE}, can_revoke=True)


BENCHES: dict[str, Callable[[Path], AbstractContextManager[Bench]]] = {
    "static": static,
    "oauth_client_credentials": oauth,
    "oauth_client_credentials by key": by_key,
    "token_exchange": exchange,
    "postgres_role": postgres,
    "aws_sts": sts,
    "vault": dynamic,
}


@dataclass(frozen=True)
class Tried:
    """A bench that stands, and its provider."""

    name: str
    bench: Bench
    home: Path

    def provider(self, **other: Any) -> CredentialProvider:
        tree = {"provider": self.name.partition(" ")[0], **self.bench.settings, **other}
        offer: Offer = TypeAdapter(Offer).validate_python(tree)
        return provider("tried", offer, self.home, None)

    def wanted(self) -> Wanted:
        account = Account("issuer", "local", "agent:triage-1", "T-1", (), Tier.DATA, None)
        lease = b32encode(next(_numbers).to_bytes(10, "big")).decode().lower()
        return Wanted(lease, account, 60, self.bench.token)


@pytest.fixture(scope="module", params=BENCHES)
def tried(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tried]:
    home = tmp_path_factory.mktemp(request.param)
    (home / "own.txt").write_text(SECRET)
    with BENCHES[request.param](home) as bench:
        yield Tried(request.param, bench, home)


@pytest.fixture
async def giver(tried: Tried) -> AsyncIterator[CredentialProvider]:
    made = tried.provider()
    yield made
    await made.aclose()


def test_every_provider_is_held_to_this() -> None:
    assert {name.partition(" ")[0] for name in BENCHES} == PROVIDERS.keys()


async def test_what_it_gives_works_and_says_what_of_it_is_secret(
    tried: Tried, giver: CredentialProvider
) -> None:
    minted = await giver.issue(tried.wanted())
    assert await tried.bench.works(minted)
    assert minted.secret and minted.secret <= minted.values.keys()
    secrets = [minted.values[name] for name in minted.secret]
    assert all(secret not in repr(minted) and secret not in minted.ref for secret in secrets)


async def test_however_much_is_logged_no_secret_is(
    tried: Tried, giver: CredentialProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    wanted = tried.wanted()
    minted = await giver.issue(wanted)
    await giver.revoke(wanted.lease, minted.ref, minted)
    secrets = [minted.values[name] for name in minted.secret]
    own = [SECRET, TOKEN, *filter(None, [tried.bench.token])]
    assert not [secret for secret in (*secrets, *own) if secret in caplog.text]


async def test_two_tasks_have_two(tried: Tried, giver: CredentialProvider) -> None:
    first, second = await giver.issue(tried.wanted()), await giver.issue(tried.wanted())
    same = {first.values[name] for name in first.secret} & {
        second.values[name] for name in second.secret
    }
    assert bool(same) is (tried.name == "static")


async def test_what_it_says_of_a_revocation_is_so(tried: Tried, giver: CredentialProvider) -> None:
    wanted = tried.wanted()
    minted = await giver.issue(wanted)
    other = await giver.issue(tried.wanted())
    gone = await giver.revoke(wanted.lease, minted.ref, minted)
    assert gone is tried.bench.can_revoke
    assert await tried.bench.works(minted) is not gone
    assert await tried.bench.works(other)


async def test_ending_twice_and_ending_what_was_never_made_is_no_error(
    tried: Tried, giver: CredentialProvider
) -> None:
    wanted = tried.wanted()
    await giver.revoke(wanted.lease, "", None)
    minted = await giver.issue(wanted)
    await giver.revoke(wanted.lease, minted.ref, minted)
    await giver.revoke(wanted.lease, minted.ref, minted)


async def test_where_nothing_answers_it_says_so_without_a_secret(tried: Tried) -> None:
    nowhere = tried.provider(**tried.bench.unreachable)
    try:
        with pytest.raises(NoCredential) as caught:
            await nowhere.issue(tried.wanted())
    finally:
        await nowhere.aclose()
    assert SECRET not in str(caught.value) and TOKEN not in str(caught.value)
    assert caught.value.nothing
