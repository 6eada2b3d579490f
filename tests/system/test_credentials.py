"""Credentials for tool servers, through the real gateway: no secret, no agent's token where it should not be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import psutil
import psycopg
import pytest

from gateway.core.model import Endpoint, Tier
from gateway.journals.credentials import read
from gateway.stories.stage import free_port
from gateway.values import as_plain
from tests.credentials.places import (
    OPAQUE,
    RESOURCE,
    SECRET,
    AuthorizationServer,
    authorizing,
    claims,
    database,
    keys_of,
)
from tests.servers.telltale import VARIABLE, WAYS, digest
from tests.system import starter
from tests.system.home import Home, Serving, intents
from tests.system.raw import JSON, over_http, stateless

ALL = Endpoint("all")
TELLTALE = Path(__file__).parents[1] / "servers" / "telltale.py"
STAYS = "a-static-secret-of-the-kept-server"
HTTP, TRADED, PIPE, KEPT, DB = "http", "traded", "pipe", "kept", "db"
SERVERS = (HTTP, TRADED, PIPE, KEPT, DB)
AGENTS = ("ann", "bob", "cid", "dan", "eve")
RULES = "".join(
    f"p, P{n}0, data, {name}, whoami|leak, role:worker, local, general, local, -, allow\n"
    f"p, P{n}1, tool, {name}, work, role:worker, local, general, local, -, allow\n"
    for n, name in enumerate(SERVERS, 10)
)
TOOLS = "{whoami: {tier: data, effect: read}, leak: {tier: data, effect: read}, work: {tier: tool, effect: write}}"
TIERS = "servers:\n" + "".join(f"  {name}:\n    tools: {TOOLS}\n" for name in SERVERS)


@dataclass(frozen=True)
class House:
    """A gateway that serves, the places credentials come from, and what its tool servers were given."""

    serving: Serving
    issuing: AuthorizationServer
    database: str
    place: Path
    minted: list[str]
    """Every token an agent has had."""

    @property
    def home(self) -> Home:
        return self.serving.home

    def token(self, agent: str, task: str) -> str:
        self.minted.append(self.home.mint(agent, ALL, task=task))
        return self.minted[-1]

    async def call(
        self, agent: str, server: str, tool: str = "whoami", task: str = "test", **arguments: Any
    ) -> JSON:
        async with over_http(
            f"{self.home.origin}/mcp", self.token(agent, task), "2026-07-28"
        ) as ask:
            named = {"name": f"{server}__{tool}", "arguments": arguments}
            return await ask("tools/call", named)

    async def who(self, agent: str, server: str, task: str = "test", tool: str = "whoami") -> str:
        """A digest of the credential the call went with, as its server saw it."""
        answer = await self.call(agent, server, tool, task)
        return str(answer["result"]["content"][0]["text"])

    def given(self, server: str) -> list[JSON]:
        path = self.place / server
        return [json.loads(line) for line in path.read_text().splitlines()]

    def shown(self, server: str) -> list[str]:
        """The tokens its calls went with, over HTTP."""
        return [
            line["headers"]["authorization"].partition(" ")[2]
            for line in self.given(server)
            if line.get("headers", {}).get("mcp-method") == "tools/call"
        ]

    def secrets(self, server: str) -> set[str]:
        """Every credential a server was ever given."""
        found = set()
        for line in self.given(server):
            found.add(line.get("headers", {}).get("authorization", "").partition(" ")[2])
            found.add(line.get("environment", {}).get(VARIABLE, ""))
            found.add(line.get("environment", {}).get("PGPASSWORD", ""))
        return found - {""}

    def leases(self, *, live: bool = True) -> list[JSON]:
        """As `bulkhead credentials list --json` has them."""
        path = self.home.root / ".bulkhead" / "journal.db"
        return [as_plain(lease) for lease in read(path, live=live)]


@contextmanager
def listening(place: Path, name: str) -> Iterator[str]:
    argv = [starter.python(), str(TELLTALE), str(place / name)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/mcp"
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    root = tmp_path_factory.mktemp("credentials")
    place = root / "place"
    place.mkdir()
    (place / "own.txt").write_text(SECRET)
    (place / "stays.txt").write_text(STAYS)
    os.chmod(place / "own.txt", 0o600)
    os.chmod(place / "stays.txt", 0o600)
    state = root / "home" / ".bulkhead"
    with ExitStack() as stack:
        issuing = stack.enter_context(authorizing(keys_of(state)))
        uri = stack.enter_context(database())
        (place / "dsn.txt").write_text(uri)
        (place / "dsn.txt").chmod(0o600)
        home = Home.make(
            root / "home",
            _servers(
                place,
                stack.enter_context(listening(place, HTTP)),
                stack.enter_context(listening(place, TRADED)),
                issuing,
            ),
            policy=RULES + "".join(f"g, agent:{one}, role:worker, local\n" for one in AGENTS),
            tiers=TIERS,
            intents=intents(SERVERS),
        )
        home.approve(*SERVERS)
        with home.serving() as serving:
            yield House(serving, issuing, uri, place, [])


def _servers(place: Path, http: str, traded: str, issuing: AuthorizationServer) -> JSON:
    client = {
        "token_url": issuing.token_url,
        "revocation_url": issuing.revocation_url,
        "client_id": "bulkhead",
        "client_secret": {"file": str(place / "own.txt")},
    }
    oauth = {"provider": "oauth_client_credentials", "resource": OPAQUE, **client}
    reading = {**oauth, "tiers": ["data"], "scope": "read"}
    writing = {**oauth, "tiers": ["tool"], "scope": "read write"}
    trading = {"provider": "token_exchange", "resource": RESOURCE, "scope": "read", **client}
    in_env = {"environment": {VARIABLE: "{token}"}}
    kept = {"provider": "static", "secret": {"file": str(place / "stays.txt")}}
    role = {"provider": "postgres_role", "dsn": {"file": str(place / "dsn.txt")}}
    return {
        HTTP: {"url": http, "credentials": [reading, writing]},
        TRADED: {"url": traded, "credentials": [trading]},
        PIPE: _piped(place, PIPE, {**reading, **in_env}, {**writing, **in_env}),
        KEPT: _piped(place, KEPT, {**kept, "environment": {VARIABLE: "{secret}"}}),
        DB: _piped(place, DB, {**role, "role": "reporting"}),
    }


def _piped(place: Path, name: str, *credentials: JSON) -> JSON:
    command = [starter.python(), str(TELLTALE), str(place / name), "--stdio"]
    return {"command": command, "credentials": list(credentials)}


async def until(found: Callable[[], Any], seconds: float = 30) -> Any:
    """What `found` finds, as soon as it finds anything."""
    with anyio.fail_after(seconds):
        while not (value := found()):
            await anyio.sleep(0.02)
    return value


@pytest.mark.parametrize("server", [HTTP, PIPE, TRADED])
async def test_each_agent_task_and_tier_has_its_own_and_keeps_it(house: House, server: str) -> None:
    with anyio.fail_after(120):
        ann = await house.who("ann", server)
        again = await house.who("ann", server)
        bob = await house.who("bob", server)
        other = await house.who("ann", server, task="other")
    assert len({ann, bob, other}) == 3
    assert (ann == again) is (server != TRADED)  # traded: one for each token of the agent
    assert {ann, bob, other} <= {digest(secret) for secret in house.secrets(server)}


async def test_no_word_of_an_agent_chooses_a_credential(house: House) -> None:
    """The confused deputy: bob says everything that could be taken for ann."""
    with anyio.fail_after(120):
        ann = await house.who("ann", HTTP, task="deputy")
        token = house.token("bob", "deputy")
        lease = next(
            x for x in house.leases() if (x["agent"], x["task"]) == ("agent:ann", "deputy")
        )
        meta = dict.fromkeys(("lease", "credential", "grant", "agent", "task"), lease["id"])
        async with over_http(f"{house.home.origin}/mcp", token, "2026-07-28") as ask:
            for named in ({}, {"_meta": meta}, {"_meta": {"agent": "agent:ann"}}):
                answer = await ask("tools/call", {"name": "http__whoami", "arguments": {}, **named})
                assert answer["result"]["content"][0]["text"] != ann
            refused = await ask("tools/call", {"name": "http__whoami", "arguments": {"lease": "x"}})
    assert refused["result"]["isError"]


async def test_a_write_goes_with_what_may_write_and_a_read_with_what_may_not(house: House) -> None:
    with anyio.fail_after(120):
        await house.call("cid", HTTP, task="scopes")
        await house.call("cid", HTTP, "work", task="scopes")
    scopes = [house.issuing.says_of(token)["scope"] for token in house.shown(HTTP)[-2:]]
    assert scopes == ["read", "read write"]


async def test_an_exchanged_token_says_who_acts_for_whom(house: House) -> None:
    with anyio.fail_after(120):
        await house.call("dan", TRADED)
    said = [claims(token) for token in house.secrets(TRADED)]
    (mine,) = [one for one in said if one["sub"] == "dan"]
    assert (mine["act"], mine["aud"]) == ({"sub": "bulkhead"}, RESOURCE)


@pytest.mark.parametrize("server", [HTTP, PIPE, KEPT])
async def test_a_secret_the_server_tells_reaches_nobody(house: House, server: str) -> None:
    """However it tells it: result, error, notification, question, log."""
    ways = [way for way in WAYS if way != "ask"]
    with anyio.fail_after(120):
        heard = [json.dumps(await house.call("eve", server, "leak", way=way)) for way in ways]
    told = {form for secret in house.secrets(server) for form in (secret, secret.encode().hex())}
    assert told
    assert not [text for text in heard for secret in told if secret in text]
    assert sum("[credential]" in text for text in heard) >= 6


async def test_no_secret_and_no_token_is_where_it_should_not_be(house: House) -> None:
    """The canary, after all there was: every file the gateway wrote, its log, and every tool server."""
    with anyio.fail_after(120):
        for server in SERVERS:
            await house.call("ann", server, task="canary")
            await house.call("ann", server, "work", task="canary")
            await house.call("ann", server, "leak", task="canary", way="error")
    listed = json.loads(house.home.must("credentials", "list", "--all", "--json"))
    assert [each["id"] for each in listed] == [each["id"] for each in house.leases(live=False)]
    secrets = {server: house.secrets(server) for server in SERVERS}
    assert all(secrets.values()) and len(house.minted) > 5
    everything = {*house.minted, SECRET, STAYS}.union(*secrets.values())
    for path in sorted(house.home.root.rglob("*")):
        if path.is_file():
            raw = path.read_bytes()
            assert not [one for one in everything if one.encode() in raw], path
    for server in SERVERS:
        raw = (house.place / server).read_bytes()
        foreign = everything - secrets[server] - ({STAYS} if server == KEPT else set())
        assert not [one for one in foreign if one.encode() in raw], server


async def test_a_revoked_role_loses_its_open_session_and_its_process(house: House) -> None:
    """Acceptance: an open PostgreSQL session of the revoked role dies."""
    grant = house.home.grant("ann", task="session")
    with anyio.fail_after(120):
        await house.call("ann", DB, task="session")
        (lease,) = [x for x in house.leases() if x["grants"] == (grant,)]
        role = lease["ref"]
        given = [x for x in house.given(DB) if x.get("environment", {}).get("PGUSER") == role]
        open_session = await psycopg.AsyncConnection.connect(
            house.database, user=role, password=given[0]["environment"]["PGPASSWORD"]
        )
        await open_session.execute("SELECT * FROM report")
        house.home.must("grant", "complete", grant)
        await until(lambda: not [x for x in house.leases() if x["id"] == lease["id"]])
        with pytest.raises(psycopg.OperationalError):
            await open_session.execute("SELECT 1")
        await open_session.close()
        with pytest.raises(psycopg.OperationalError):
            await psycopg.AsyncConnection.connect(house.database, user=role)
        await until(lambda: not psutil.pid_exists(given[0]["pid"]))
        refused = await house.call("ann", DB, task="session")
    assert refused["error"]["data"]["reason"] == "grant_over"


async def test_contain_ends_what_was_lent_and_says_so_as_the_journal_does(house: House) -> None:
    with anyio.fail_after(120):
        await house.call("bob", HTTP, task="contained")
        (lease,) = [x for x in house.leases() if x["task"] == "contained"]
        token = house.shown(HTTP)[-1]
        before = house.issuing.says_of(token)["active"]
        words = ("--task", "contained", "--no-undo", "--json")
        contained = json.loads(house.home.must("contain", *words))
        after = house.issuing.says_of(token)["active"]
    assert (before, after) == (True, False)
    (said,) = contained["credentials"]
    assert (said["lease"], said["state"]) == (lease["id"], "revoked")
    lines = house.home.calls("--task", "contained")
    (call,) = [line for line in lines if line["method"] == "tools/call"]
    shown = house.home.must("journal", "show", call["call_id"], "--json")
    told = [line["method"] for line in lines if line["method"].startswith("credentials/")]
    assert told == ["credentials/revoked", "credentials/issued"]
    assert lease["id"] in shown  # the call names what it went with


async def test_what_a_killed_gateway_left_the_next_one_ends(house: House, tmp_path: Path) -> None:
    """A power cut with leases out: one more gateway of the same house dies, and this one takes over."""
    config = json.loads(house.home.config.read_text())
    second = Home(house.home.root, free_port())
    other = house.home.root / "second.yaml"
    other.write_text(json.dumps({**config, "listen": f"127.0.0.1:{second.port}"}))
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve", "--config", str(other)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with anyio.fail_after(120):
            token = second.mint("ann", ALL, task="killed")
            answer = await until(lambda: _called(second.origin, token), 30)
            assert "result" in answer
            (lease,) = [x for x in house.leases() if x["task"] == "killed"]
            process.kill()
            process.wait()
            role = lease["ref"]
            await until(lambda: not _is_there(house.database, role), 20)
            # The role is gone a moment before that is on record.
            await until(lambda: all(x["id"] != lease["id"] for x in house.leases()), 20)
            (over,) = [x for x in house.leases(live=False) if x["id"] == lease["id"]]
    finally:
        process.kill()
        process.wait()
    assert over["state"] == "revoked"
    assert "has ended" in over["said"]


def _called(origin: str, token: str) -> JSON | None:
    said = stateless(token, "tools/call", {"name": "db__whoami", "arguments": {}})
    try:
        return dict(httpx.post(f"{origin}/mcp", timeout=30, **said).json())
    except httpx.ConnectError:
        return None


def _is_there(uri: str, role: str) -> bool:
    with psycopg.connect(uri) as database:
        found = database.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
    return found is not None


def test_admin_tier_has_none_here(house: House) -> None:
    assert {lease["tier"] for lease in house.leases(live=False)} <= {Tier.DATA, Tier.TOOL}
