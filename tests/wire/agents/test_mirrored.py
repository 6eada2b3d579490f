"""A request that says the same in headers and body is believed at once; nothing else is, and none wrongly."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from gateway.core.model import Endpoint
from gateway.sdk import inbound
from gateway.wire.agents import mirrored
from gateway.wire.agents.admitted import Admitted
from gateway.wire.agents.exchange import Head
from gateway.wire.agents.messages import Call
from gateway.wire.methods import NAMED as NAMED_BY

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


def _head(version: str | None, method: str | None, name: str | None) -> Admitted:
    given = {"mcp-protocol-version": version, "mcp-method": method, "mcp-name": name}
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
        if not isinstance(meta, dict) or not mirrored._says_the_same(call, meta, head):
            continue
        believed += 1
        body = {"method": call.method, "params": call.params}
        verdict = inbound.classify_inbound_request(body, headers=dict(head.head.headers))
        assert not isinstance(verdict, inbound.InboundLadderRejection)
        told = verdict.protocol_version, verdict.client_capabilities, verdict.client_info
        assert told == (VERSION, meta.get(CAPABILITIES), meta.get(INFO))
        mirrored._check_name(call, head.head)
    assert believed > 0
