"""The tier law, on a whole gateway: a list shows what a call may do, and nothing an agent sends changes a tier.

The gate, the Line, the catalogue, the issuer and the journal are the real ones, in this process; the tool
server is a real HTTP server that remembers what reached it. What is expected is worked out here, from the
generated tables, never by asking the code under test.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import settings as settings_file
from gateway.app import gateway as wiring
from gateway.app.gateway import Gateway
from gateway.app.grants import open_office
from gateway.catalogue.canonical import digest
from gateway.core.model import (
    ClientFacts,
    Endpoint,
    Era,
    Evidence,
    JsonObject,
    Request,
    Tier,
)
from gateway.grants.asked import Asked as AskedGrant
from gateway.policy.live import LivePolicies
from gateway.wire.agents.face import Face
from tests.policy.written import written
from tests.servers.clients import Remembers
from tests.servers.http_raw import Heard, Wire, raw_server
from tests.system.raw import STATELESS, enveloped, headers_for

SERVERS: Final = ("one", "two")
TOOLS: Final = ("plain", "liftable", "hidden", "unpinned")
"""`hidden` is in no tier, `unpinned` not approved: neither may be reached, whatever policy says."""
AGENTS: Final = {"ann": "role:a", "bob": "role:b", "eve": None}
ARGUMENTS: Final[tuple[JsonObject, ...]] = tuple(
    {"x": x, "n": n} for x, n in product(("up", "down"), (1, 9))
)
SCHEMA: Final[JsonObject] = {
    "type": "object",
    "properties": {"x": {"type": "string"}, "n": {"type": "integer"}},
}
CONSTRAINTS: Final = "conditions:\n  small: {arguments: {n: {maximum: 5}}}\n"
ENDPOINTS: Final = (
    Endpoint("all"),
    *(Endpoint("tier", tier) for tier in Tier),
    *(Endpoint("server", server=server) for server in SERVERS),
)


@dataclass(frozen=True)
class Rule:
    """One row of policy.csv."""

    allow: bool
    tier: Tier
    server: str
    tool: str
    role: str
    small: bool

    def matches(self, tier: Tier, server: str, tool: str, role: str, n: int) -> bool:
        """Whether it speaks of this call."""
        where = (self.tier, self.server, self.role) == (tier, server, role)
        return where and self.tool in ("*", tool) and (not self.small or n <= 5)

    def row(self, number: int) -> str:
        id, effect = (f"P{number}", "allow") if self.allow else (f"D{number}", "deny")
        when = "small" if self.small else "-"
        cells = (id, self.tier, self.server, self.tool, self.role, "local", "general", "*", when)
        return ", ".join(("p", *cells, effect))


@dataclass(frozen=True)
class Tables:
    """A generated registry and policy."""

    tier: dict[tuple[str, str], Tier]
    """Of each tool by itself."""
    lifted: Tier
    """What `liftable` becomes when x is "up", if that is higher."""
    rules: tuple[Rule, ...]

    def tier_of(self, server: str, tool: str, arguments: JsonObject) -> Tier | None:
        """The tier of one call; None for what has none."""
        tier = self.tier.get((server, tool))
        # What cannot be told lifts.
        if tier is not None and tool == "liftable" and arguments.get("x", "up") == "up":
            return max(tier, self.lifted, key=lambda each: each.rank)
        return tier

    def allows(
        self, endpoint: Endpoint, agent: str, server: str, tool: str, arguments: JsonObject
    ) -> bool:
        """Whether this call may be done, said in another way than the gateway's."""
        tier, role = self.tier_of(server, tool, arguments), AGENTS[agent]
        here = endpoint.kind != "server" or endpoint.server == server
        if tier is None or role is None or tier not in endpoint.tiers or not here:
            return False
        speaking = [r for r in self.rules if r.matches(tier, server, tool, role, arguments["n"])]
        return bool(speaking) and all(rule.allow for rule in speaking)

    def tiers_yaml(self) -> str:
        lines = ["servers:"]
        for server in SERVERS:
            lines += [f"  {server}:", "    tools:"]
            for tool in ("plain", "liftable", "unpinned"):
                lines.append(f"      {tool}:")
                lines.append(f"        tier: {self.tier[server, tool]}")
                lines.append("        effect: read")
                if tool == "liftable":
                    when = f"{{argument: x, matches: {{const: up}}, tier: {self.lifted}}}"
                    lines.append(f"        raise: [{when}]")
        return "\n".join(lines) + "\n"

    def policy_csv(self) -> str:
        rows = [rule.row(number) for number, rule in enumerate(self.rules, 1)]
        # A role must be on both sides of the table.
        for number, role in ((900, "role:a"), (901, "role:b")):
            rows.append(f"p, P{number}, data, one, nothing, {role}, local, general, *, -, allow")
        rows += [f"g, agent:{agent}, {role}, local" for agent, role in AGENTS.items() if role]
        return "\n".join(rows) + "\n"


classified = st.fixed_dictionaries(
    {
        (server, tool): st.sampled_from(list(Tier))
        for server in SERVERS
        for tool in ("plain", "liftable", "unpinned")
    }
)
rules = st.builds(
    Rule,
    st.sampled_from([True, True, True, False]),
    st.sampled_from(list(Tier)),
    st.sampled_from(SERVERS),
    st.sampled_from(["*", *TOOLS]),
    st.sampled_from(["role:a", "role:b"]),
    st.booleans(),
)
tables = st.builds(
    Tables, classified, st.sampled_from(list(Tier)), st.lists(rules, max_size=10).map(tuple)
)


def descriptor(tool: str) -> JsonObject:
    """What the server says of a tool: it claims to be harmless."""
    claims = {"readOnlyHint": True, "destructiveHint": False, "tier": "data"}
    return {"name": tool, "inputSchema": SCHEMA, "annotations": claims}


async def offering(wire: Wire) -> None:
    """A tool server with all tools, and an answer to everything."""
    request = wire.request.rpc
    result: JsonObject = {"content": [], "resultType": "complete"}
    if request["method"] == "server/discover":
        result = {"supportedVersions": [STATELESS], "capabilities": {"tools": {}}}
    elif request["method"] == "tools/list":
        result = {"tools": [descriptor(tool) for tool in TOOLS]}
    await wire.answer(result)


INTENTS: Final = """\
intents:
  general:
    tells: Everything, so that the tables decide.
    tiers: [data, tool, admin]
    tools: ["one/*", "two/*"]
    destinations: ["*"]
    seconds: 900
"""
"""The admin tier needs a grant: here everybody has one."""


@dataclass(frozen=True)
class House:
    """A running gateway, and what its tool servers heard."""

    gateway: Gateway
    heard: dict[str, Heard]

    def token(self, agent: str, endpoint: Endpoint) -> str:
        return self.gateway.identities.minting.mint(
            agent=agent,
            endpoint=endpoint,
            tiers=endpoint.tiers,
            tenant="local",
            task="t",
            intent="general",
            now=int(time.time()),
        )

    def called(self, server: str) -> list[JsonObject]:
        """The params of every tool call that reached it."""
        messages = (request.rpc for request in self.heard[server].requests)
        return [each["params"] for each in messages if each.get("method") == "tools/call"]

    async def ask(self, agent: str, endpoint: Endpoint, method: str, params: JsonObject) -> Any:
        """The gate's answer to one request of an agent with a token for that endpoint."""
        evidence = Evidence((f"Bearer {self.token(agent, endpoint)}",), endpoint)
        identity = await self.gateway.gate.identify(evidence)
        facts = ClientFacts(STATELESS)
        request = Request(endpoint, identity, Era.STATELESS, 1, method, params, facts)
        return await self.gateway.gate.answer(request, Remembers())

    async def listed(self, agent: str, endpoint: Endpoint) -> set[str]:
        """The names of the tools it is shown there; none at a server that is none for it."""
        answer = await self.ask(agent, endpoint, "tools/list", {})
        if answer.error is not None:
            assert (endpoint.kind, answer.error.data["reason"]) == ("server", "not_available")
            return set()
        return {tool["name"] for tool in answer.result["tools"]}

    def client(self) -> httpx2.AsyncClient:
        """Every byte of HTTP, without a socket."""
        gateway = self.gateway
        app = Face(gateway.gate, gateway.settings, gateway.ready, gateway.catalogue)
        return httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app), base_url=gateway.settings.origin
        )


@asynccontextmanager
async def house(its: Tables) -> AsyncIterator[House]:
    """The gateway of these tables."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        policies = written(home, its.policy_csv(), its.tiers_yaml(), CONSTRAINTS)
        (policies / "pins").mkdir()
        async with raw_server(offering) as (one, first), raw_server(offering) as (two, second):
            servers = {"one": {"url": one}, "two": {"url": two}}
            for server in SERVERS:
                (policies / "pins" / f"{server}.json").write_text(json.dumps(pinned(server)))
            (home / "bulkhead.yaml").write_text(json.dumps({"servers": servers}))
            (policies / "intents.yaml").write_text(INTENTS)
            configured = settings_file.load(home / "bulkhead.yaml")
            async with open_office(configured) as office:
                for agent in AGENTS:
                    asked = AskedGrant(
                        agent=f"agent:{agent}", task="t", intent="general", tiers=frozenset(Tier)
                    )
                    await office.give(asked, "operator:ada")
            async with asyncio.timeout(60), wiring.open_gateway(configured) as gateway:
                yield House(gateway, {"one": first, "two": second})


def pinned(server: str) -> JsonObject:
    """All approved but one."""
    rows = {
        tool: {
            "digest": digest(descriptor(tool)),
            "approved_at": "2026-11-24T00:00:00Z",
            "approved_by": "eve",
            "descriptor": descriptor(tool),
        }
        for tool in TOOLS
        if tool != "unpinned"
    }
    return {"server": server, "tool": rows}


def public(endpoint: Endpoint, server: str, tool: str) -> str:
    return tool if endpoint.kind == "server" else f"{server}__{tool}"


def offered_at(endpoint: Endpoint) -> Sequence[str]:
    return [endpoint.server] if endpoint.server else SERVERS


async def one_pair(its: House, wanted: Tables, agent: str, endpoint: Endpoint) -> None:
    """For one identity at one endpoint: each tool is listed iff some call is done, and each as the tables say."""
    listed = await its.listed(agent, endpoint)
    done, expected = set(), set()
    for server, tool, arguments in product(offered_at(endpoint), TOOLS, ARGUMENTS):
        may = server, tool != "unpinned" and wanted.allows(endpoint, agent, server, tool, arguments)
        name = public(endpoint, server, tool)
        answer = await its.ask(
            agent, endpoint, "tools/call", {"name": name, "arguments": arguments}
        )
        assert (answer.error is None) is may[1], (agent, endpoint, name, arguments)
        if answer.error is None:
            done.add(name)
        else:
            assert answer.error.data["reason"] == "not_available"
        if may[1]:
            expected.add(name)
    assert listed == done == expected


@settings(max_examples=max(6, settings().max_examples // 8))
@given(tables)
def test_a_tool_is_listed_iff_some_call_of_it_is_allowed_for_everybody_everywhere(
    wanted: Tables,
) -> None:
    async def scene() -> dict[str, int]:
        async with house(wanted) as its:
            await asyncio.gather(
                *(one_pair(its, wanted, agent, at) for agent in AGENTS for at in ENDPOINTS)
            )
            return {server: len(its.called(server)) for server in SERVERS}

    reached = asyncio.run(scene())
    for server in SERVERS:
        # Nothing but what was allowed reached the tool server, and that once.
        assert reached[server] == sum(
            tool != "unpinned" and wanted.allows(at, agent, server, tool, arguments)
            for agent, at, tool, arguments in product(AGENTS, ENDPOINTS, TOOLS, ARGUMENTS)
        )


FIXED: Final = Tables(
    tier={
        ("one", "plain"): Tier.DATA,
        ("one", "liftable"): Tier.DATA,
        ("one", "unpinned"): Tier.DATA,
        ("two", "plain"): Tier.TOOL,
        ("two", "liftable"): Tier.TOOL,
        ("two", "unpinned"): Tier.ADMIN,
    },
    lifted=Tier.ADMIN,
    rules=tuple(
        Rule(True, tier, server, "*", role, False)
        for tier, server, role in product(Tier, SERVERS, ("role:a", "role:b"))
    ),
)
"""Policy allows everything here: only tiers keep anything apart."""


async def test_a_token_for_data_is_refused_elsewhere_before_any_policy_is_asked() -> None:
    data = Endpoint("tier", Tier.DATA)
    statuses: dict[str, int] = {}
    async with house(FIXED) as its:
        token, asked = its.token("ann", data), Asked(its.gateway.policies)
        with asked.counting():
            async with its.client() as client:
                for endpoint in ENDPOINTS:
                    for method, params in (
                        ("tools/list", {}),
                        ("tools/call", {"name": "one__plain", "arguments": {}}),
                        ("server/discover", {}),
                    ):
                        if endpoint != data:
                            headers = headers_for(token, STATELESS, method, params)
                            body = json.dumps(enveloped(method, params, 1))
                            answer = await client.post(endpoint.path, content=body, headers=headers)
                            statuses[f"{endpoint.path} {method}"] = answer.status_code
            refused = asked.times
            params = {"name": "one__plain", "arguments": {"x": "down", "n": 1}}
            answer = await its.ask("ann", data, "tools/call", params)
            counted = asked.times
        called = {server: its.called(server) for server in SERVERS}
    assert len(statuses) == 15
    assert set(statuses.values()) == {401}
    assert refused == 0
    assert answer.error is None and counted > 0
    assert [len(called[server]) for server in SERVERS] == [1, 0]


class Asked:
    """Counts how often anybody looks at the policy."""

    def __init__(self, policies: LivePolicies) -> None:
        self._policies = policies
        self.times = 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        """While this is entered."""

        def current(policies: LivePolicies) -> Any:
            self.times += 1
            return vars(policies)["current"]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(LivePolicies, "current", property(current), raising=False)
            yield


words = st.sampled_from(["data", "tool", "admin", "read", "up", "down", "one__plain", "plain", ""])
claims = st.dictionaries(
    st.sampled_from(
        ["tier", "effect", "annotations", "server", "name", "tool", "readOnlyHint", "arguments"]
    ),
    words | st.booleans() | st.dictionaries(st.sampled_from(["tier", "x"]), words, max_size=2),
    max_size=3,
)
odd_names = st.builds(
    lambda server, between, tool, after: f"{server}{between}{tool}{after}",
    st.sampled_from([*SERVERS, "", "ONE", "one__one"]),
    st.sampled_from(["__", "", "/", "_", "__/", "\u200b__"]),
    st.sampled_from([*TOOLS, "Plain", "plain__liftable", "liftable\u0000", "\uff4ciftable"]),
    st.sampled_from(["", "", " ", "?tier=data", "\u0301"]),
)
values = st.sampled_from(
    ["up", "down", "UP", "u\u0070", "up ", "\u202eup", ["up"], {"const": "up"}, 1]
)
good_arguments = st.sampled_from([{"x": "up"}, {"x": "down"}, {}])
odd_arguments = st.dictionaries(
    st.sampled_from(["x", "x", "x", "X", "x ", "\ufeffx", "n", "tier", "/x", "_meta"]),
    values,
    max_size=3,
)
HEADERS: Final = (
    "mcp-param-tier",
    "mcp-param-x",
    "x-tier",
    "x-original-url",
    "x-http-method-override",
    "forwarded",
    "mcp-name",
    "mcp-method",
)
headers = st.dictionaries(
    st.sampled_from(HEADERS),
    st.sampled_from(["data", "down", "one__plain", "/data/mcp", "tools/list"]),
    max_size=2,
)
DOUBLED: Final = (', "name": "one__plain"', ', "arguments": {"x": "down"}', ', "tier": "data"')


@dataclass(frozen=True)
class Trick:
    """One request an agent could send at an endpoint it has a good token for."""

    endpoint: Endpoint
    name: str
    arguments: JsonObject
    meta: JsonObject
    params: JsonObject
    headers: dict[str, str]
    doubled: str
    """A member written a second time, raw, at the end of the params."""

    def body(self) -> bytes:
        params = {**self.params, "name": self.name, "arguments": self.arguments}
        if self.meta:
            params["_meta"] = self.meta
        text = json.dumps(enveloped("tools/call", params, 1))
        return (text[:-2] + self.doubled + text[-2:]).encode()

    def sent_headers(self, token: str) -> dict[str, str]:
        plain = headers_for(token, STATELESS, "tools/call", {"name": encoded(self.name)})
        return {**plain, **self.headers}


def encoded(name: str) -> str:
    """A name as the Mcp-Name header carries it."""
    if name.isascii() and name.isprintable() and name == name.strip():
        return name
    return f"=?base64?{b64encode(name.encode()).decode()}?="


def mostly(plain: Any, odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Tricks one or two at a time, so that what stands behind the first check is tried too."""
    usual = plain if isinstance(plain, st.SearchStrategy) else st.just(plain)
    return st.one_of(*[usual] * 7, odd)


def trick(endpoint: Endpoint, server: str, tool: str, odd_name: str | None, *rest: Any) -> Trick:
    """A tool's own name at this endpoint, or one made up."""
    name = public(endpoint, endpoint.server or server, tool) if odd_name is None else odd_name
    return Trick(endpoint, name, *rest)


tricks = st.builds(
    trick,
    st.sampled_from(ENDPOINTS),
    st.sampled_from(SERVERS),
    mostly(st.sampled_from(["plain", "liftable"]), st.sampled_from(TOOLS)),
    mostly(None, odd_names),
    mostly(good_arguments, odd_arguments),
    mostly({}, claims),
    mostly({}, claims),
    mostly({}, headers),
    mostly("", st.sampled_from(DOUBLED)),
)


@given(st.lists(tricks, min_size=30, max_size=30))
@settings(max_examples=max(6, settings().max_examples // 4))
def test_nothing_an_agent_sends_gets_a_call_done_outside_the_tiers_of_its_endpoint(
    sent: list[Trick],
) -> None:
    """Whatever reached a tool server is classified anew, from what it got: each at one endpoint at a time."""

    async def scene() -> list[tuple[Endpoint, str, JsonObject]]:
        reached = []
        async with house(FIXED) as its, its.client() as client:
            for trick in sent:
                before = {server: len(its.called(server)) for server in SERVERS}
                token = its.token("ann", trick.endpoint)
                await client.post(
                    trick.endpoint.path, content=trick.body(), headers=trick.sent_headers(token)
                )
                for server in SERVERS:
                    news = its.called(server)[before[server] :]
                    reached += [(trick.endpoint, server, params) for params in news]
        return reached

    for endpoint, server, params in asyncio.run(scene()):
        tool, given = params["name"], params.get("arguments", {})
        assert FIXED.tier_of(server, tool, given) in endpoint.tiers
        assert tool in ("plain", "liftable")
        # Arguments the pinned schema does not know, or of another type, are not forwarded.
        assert given.keys() <= {"x", "n"} and isinstance(given.get("x", ""), str)
        assert endpoint.server in (None, server)
