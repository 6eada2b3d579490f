"""Which state machine a message belongs to: the body before the headers."""

from __future__ import annotations

import pytest

from gateway.core.model import JsonObject
from gateway.wire.agents.era import is_stateless
from gateway.wire.agents.messages import Call, Note, Response

MODERN: JsonObject = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}
NEW, OLD = "2026-07-28", "2025-06-18"


@pytest.mark.parametrize(
    ("method", "params", "version", "session", "stateless"),
    [
        ("tools/list", MODERN, NEW, False, True),
        ("tools/list", MODERN, OLD, True, True),
        ("tools/list", MODERN, None, True, True),
        ("initialize", MODERN, NEW, False, True),
        ("initialize", {}, None, False, False),
        ("initialize", {}, NEW, False, False),
        ("initialize", {}, "2099-01-01", False, False),
        ("tools/list", {}, None, True, False),
        ("tools/list", {}, None, False, False),
        ("tools/list", {}, OLD, False, False),
        ("tools/list", {}, NEW, True, True),
        ("tools/list", {}, "2099-01-01", False, True),
        ("tools/list", {}, "2099-01-01", True, False),
        ("tools/list", {"_meta": {"other": 1}}, None, True, False),
        ("tools/list", {"_meta": "odd"}, OLD, True, False),
    ],
)
def test_the_era_of_a_message(
    method: str, params: JsonObject, version: str | None, session: bool, stateless: bool
) -> None:
    for message in (Call(1, method, params), Note(method, params)):
        assert is_stateless(message, version, "an id" if session else None) is stateless


@pytest.mark.parametrize(("version", "stateless"), [(OLD, False), (NEW, True)])
def test_a_response_goes_by_its_headers(version: str, stateless: bool) -> None:
    assert is_stateless(Response(1, {}, None), version, "an id") is stateless
