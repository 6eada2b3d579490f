"""A request has a frame where all of it but its id and arguments is plain: then what is not asked again is so."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from gateway.core.describe import beside, trace_of
from gateway.core.frame import Frame
from gateway.core.lookalikes import refuse_look_alikes
from gateway.core.model import Endpoint, JsonObject, Request, Resolved, Target
from gateway.core.visiting import MARK, returned
from gateway.gate.receipts import WARRANT, is_asked
from gateway.wire.agents.admitted import Admitted
from gateway.wire.agents.exchange import Head
from gateway.wire.agents.limits import Limits
from gateway.wire.agents.messages import Call
from gateway.wire.agents.stateless import Stateless
from gateway.wire.methods import NAMED
from tests.test_pep import WHO
from tests.wire.agents.house import Advertised, RememberingGate
from tests.wire.agents.raw import META, VERSION

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PLAIN: list[JsonObject] = [
    META,
    {**META, "progressToken": 7},
    {**META, "io.modelcontextprotocol/logLevel": "error"},
]
METAS: list[JsonObject] = [
    *PLAIN,
    {**META, "traceparent": TRACE},
    {**META, WARRANT: True},
    {**META, "ProgressToken": 7},
    {**META, "vendor/x": 1},
]
MORE: list[JsonObject] = [
    {"arguments": {"a": 1}},
    {"arguments": {}},
    {},
    {"requestState": f"{MARK}x"},
    {"arguments": {}, "requestState": f"{MARK}x"},
    {"arguments": {}, "inputResponses": {}},
    {"arguments": {}, "Name": "other"},
    {"Arguments": {}},
]
TOOL = {"name": "echo", "inputSchema": {"type": "object"}}


def head(method: str = "tools/call") -> Admitted:
    headers = ("mcp-protocol-version", VERSION), ("mcp-method", method), ("mcp-name", "echo")
    return Admitted.of(Head("POST", "/mcp", headers), Endpoint("all"))


def era(*tools: Any) -> Stateless:
    return Stateless(RememberingGate(), Advertised(*tools), Limits())


def asked(of: Stateless, by: Admitted, meta: JsonObject, more: JsonObject) -> Request:
    method = by.method or ""
    params = {NAMED[method]: "echo", "_meta": dict(meta), **more}
    return of._request(by, WHO, Call(1, method, params))


def test_a_frame_stays_while_nothing_but_the_arguments_changes() -> None:
    of, by = era(TOOL), head()
    for meta in PLAIN:
        frames = {asked(of, by, meta, {"arguments": {"a": n}}).frame for n in range(3)}
        assert len(frames) == 1 and None not in frames
    assert len({asked(of, by, meta, MORE[0]).frame for meta in PLAIN}) == len(PLAIN)


@pytest.mark.parametrize("turns", [1, 2])
def test_what_is_not_asked_of_a_request_with_a_frame_would_be_told_the_same(turns: int) -> None:
    of, by, framed = era(TOOL), head(), set[Frame | None]()
    for meta, more, _ in itertools.product(METAS, MORE, range(turns)):
        request = asked(of, by, meta, more)
        if request.frame is None:
            continue
        framed.add(request.frame)
        assert request.params.keys() == {"name", "arguments", "_meta"}
        refuse_look_alikes(request)
        assert returned(request) is request and not is_asked(request)
        assert trace_of(request.params) == ""
        assert beside(Resolved(request, Target("s", "tool", "echo"), None, request.params)) == {}
    assert len(framed) >= len(PLAIN)


def test_a_tool_that_declares_headers_has_none_and_no_other_method_has() -> None:
    region = {"region": {"type": "string", "x-mcp-header": "Region"}}
    declaring = {"name": "echo", "inputSchema": {"type": "object", "properties": region}}
    assert asked(era(declaring), head(), META, MORE[0]).frame is None
    assert asked(era(TOOL), head("prompts/get"), META, MORE[0]).frame is None
