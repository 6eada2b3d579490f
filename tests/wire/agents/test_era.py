"""Which state machine a message belongs to: the body before the headers."""

from __future__ import annotations

import pytest

from gateway.core.model import Era, JsonObject
from gateway.wire.agents.era import era_of
from gateway.wire.agents.messages import Call, Note, Response

MODERN: JsonObject = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}
NEW, OLD = "2026-07-28", "2025-06-18"


@pytest.mark.parametrize(
    ("method", "params", "version", "session", "era"),
    [
        ("tools/list", MODERN, NEW, False, Era.STATELESS),
        ("tools/list", MODERN, OLD, True, Era.STATELESS),
        ("tools/list", MODERN, None, True, Era.STATELESS),
        ("initialize", MODERN, NEW, False, Era.STATELESS),
        ("initialize", {}, None, False, Era.SESSIONS),
        ("initialize", {}, NEW, False, Era.SESSIONS),
        ("initialize", {}, "2099-01-01", False, Era.SESSIONS),
        ("tools/list", {}, None, True, Era.SESSIONS),
        ("tools/list", {}, None, False, Era.SESSIONS),
        ("tools/list", {}, OLD, False, Era.SESSIONS),
        ("tools/list", {}, NEW, True, Era.STATELESS),
        ("tools/list", {}, "2099-01-01", False, Era.STATELESS),
        ("tools/list", {}, "2099-01-01", True, Era.SESSIONS),
        ("tools/list", {"_meta": {"other": 1}}, None, True, Era.SESSIONS),
        ("tools/list", {"_meta": "odd"}, OLD, True, Era.SESSIONS),
    ],
)
def test_the_era_of_a_message(
    method: str, params: JsonObject, version: str | None, session: bool, era: Era
) -> None:
    for message in (Call(1, method, params), Note(method, params)):
        assert era_of(message, version=version, session=session) is era


@pytest.mark.parametrize(("version", "era"), [(OLD, Era.SESSIONS), (NEW, Era.STATELESS)])
def test_a_response_goes_by_its_headers(version: str, era: Era) -> None:
    assert era_of(Response(1, {}, None), version=version, session=True) is era
