"""A request that says the same in headers and body is believed at once; nothing else is, and none wrongly."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from gateway.core.model import Endpoint
from gateway.core.resolve import Table
from gateway.sdk import inbound
from gateway.values import replace
from gateway.wire.agents import mirrored
from gateway.wire.agents.admitted import Admitted, Agreed
from gateway.wire.agents.exchange import Head
from gateway.wire.agents.messages import Call
from gateway.wire.methods import NAMED as NAMED_BY
from tests.wire.agents.house import Advertised

VERSION = "2026-07-28"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
NAMED = "io.modelcontextprotocol/protocolVersion"
INFO = "io.modelcontextprotocol/clientInfo"
METAS: list[Any] = [
    {NAMED: VERSION, CAPABILITIES: {}},
    {NAMED: VERSION, CAPABILITIES: {}, INFO: {"name": "c"}},
    {NAMED: VERSION},
    {NAMED: "2025-11-25", CAPABILITIES: {}},
    {NAMED: None, CAPABILITIES: {}},
    {CAPABILITIES: {}},
    None,
    "x",
]
NAMES: list[Any] = ["echo", "other", None, "", 1, "=?base64?ZWNobw==?="]
HEADERS: list[str | None] = ["echo", None, "", "=?base64?ZWNobw==?=", "=?base64?!?="]
METHODS = ["tools/call", "tasks/get", "tools/list", "resources/read", "vendor/echo"]
VERSIONS: list[str | None] = [VERSION, "2025-11-25", None]


def _head(
    version: str | None, method: str | None, name: str | None, region: str | None = None
) -> Admitted:
    given = {"mcp-protocol-version": version, "mcp-method": method, "mcp-name": name}
    given |= {"mcp-param-region": region}
    sent = ((header, value) for header, value in given.items() if value is not None)
    return Admitted.of(Head("POST", "/mcp", tuple(sent)), Endpoint("all"))


@pytest.mark.parametrize("method", METHODS)
def test_what_is_believed_at_once_the_whole_ladder_believes_too(method: str) -> None:
    believed = 0
    member = NAMED_BY.get(method, "name")
    for meta, name, named, version, said in itertools.product(
        METAS, NAMES, HEADERS, VERSIONS, [method, "other", None]
    ):
        call, head = Call(1, method, {member: name, "_meta": meta}), _head(version, said, named)
        if not isinstance(meta, dict) or not mirrored._says_the_same(call, head):
            continue
        believed += 1
        body = {"method": call.method, "params": call.params}
        verdict = inbound.classify_inbound_request(body, headers=dict(head.head.headers))
        assert not isinstance(verdict, inbound.InboundLadderRejection)
        told = verdict.protocol_version, verdict.client_capabilities, verdict.client_info
        assert told == (VERSION, meta.get(CAPABILITIES), meta.get(INFO))
        mirrored._check_name(call, head.head)
    assert believed > 0


def _table(*tools: Any) -> Table:
    return Advertised(*tools).current


def _agreed(call: Call, head: Admitted, table: Table) -> Any:
    """What the gate is told of it, or why it is refused."""
    try:
        found = mirrored.agreed(call, head, table)
    except mirrored.Mismatch as no:
        return type(no), no.error
    return found.meta, found.facts, found.extra


PLAIN = {"name": "echo", "inputSchema": {"type": "object"}}
REGION = {"type": "string", "x-mcp-header": "Region"}
DECLARING = {"name": "echo", "inputSchema": {"type": "object", "properties": {"region": REGION}}}
SPOKEN: list[Any] = [
    *METAS,
    {NAMED: VERSION, CAPABILITIES: {"x": 1}},
    {NAMED: VERSION, CAPABILITIES: {"x": True}},
    {NAMED: VERSION, CAPABILITIES: {"x": 1.0}},
    {NAMED: VERSION, CAPABILITIES: {}, "io.modelcontextprotocol/logLevel": "error"},
    {NAMED: VERSION, CAPABILITIES: {}, "progressToken": 1},
    {NAMED: VERSION, CAPABILITIES: {}, INFO: {"name": "c" * mirrored.KEPT}},
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("region", [None, "eu"])
def test_a_head_that_remembers_its_last_agreement_agrees_to_what_a_new_one_does(
    method: str, region: str | None
) -> None:
    member, kept = NAMED_BY.get(method, "name"), 0
    remembering = _head(VERSION, method, "echo", region)
    before: Agreed | None = None
    tables = _table(PLAIN), _table(DECLARING), _table()
    said = SPOKEN, ["echo", "other", None], [{}, {"region": "eu"}]
    one_by_one = [(*case, table) for table in tables for case in itertools.product(*said)]
    by_turns = itertools.product(*said, tables, [1, 2])
    for meta, name, arguments, table, *_ in itertools.chain(one_by_one, by_turns):
        call = Call(1, method, {member: name, "_meta": meta, "arguments": arguments})
        alike = replace(remembering, head=Head("POST", "/mcp", remembering.head.headers))
        new = _head(VERSION, method, "echo", region)
        assert repr(_agreed(call, alike, table)) == repr(_agreed(call, new, table))
        kept += remembering.last.agreed is not before
        before = remembering.last.agreed
    assert kept > 0


def test_what_is_kept_of_an_agreement_is_the_very_envelope_its_facts_are_of() -> None:
    head, table = _head(VERSION, "tools/call", "echo"), _table(PLAIN)
    first, again = (
        mirrored.agreed(
            Call(id, "tools/call", {"name": "echo", "_meta": dict(METAS[1])}), head, table
        )
        for id in (1, 2)
    )
    assert again is first
    assert first.facts.info is first.meta[INFO]


@pytest.mark.parametrize(("name", "meta"), [("echo", SPOKEN[-1]), (HEADERS[3], METAS[0])])
def test_a_large_envelope_is_not_kept_nor_one_whose_head_is_to_be_decoded(
    name: str, meta: Any
) -> None:
    head, table = _head(VERSION, "tools/call", name), _table(PLAIN)
    mirrored.agreed(Call(1, "tools/call", {"name": "echo", "_meta": meta}), head, table)
    assert head.last.agreed is None
