"""What an agent hears of a call that is held, in whatever shape its tool has promised."""

from __future__ import annotations

import json

import pytest

from gateway.core.frame import Frame
from gateway.core.model import ClientFacts, Endpoint, Entry, Era, JsonObject, Request, Target
from gateway.core.over import Ear, Over, nobody
from gateway.errors import Refused
from gateway.line import holding
from gateway.line.holding import answer, body, waiting, waits_on
from gateway.reasons import Reason
from gateway.values import replace
from tests.test_pep import WHO

SAID = {"status": "held", "call_id": "c1", "release_at": "1970-01-01T00:01:00+00:00"}
TEXT = json.dumps(SAID)
STRING: JsonObject = {"type": "string"}


def heard(*schema: JsonObject) -> JsonObject:
    descriptor: JsonObject = {"name": "put", **({"outputSchema": schema[0]} if schema else {})}
    entry = Entry(Target("store", "tool", "put"), "store__put", descriptor, "sha256:0")
    result = answer("c1", 60_000_000, entry).result or {}
    assert result["content"] == [{"type": "text", "text": TEXT}]
    return result


def test_a_tool_that_promised_nothing_gives_it_as_data() -> None:
    result = heard()
    assert (result["isError"], result["structuredContent"]) == (False, SAID)


def test_a_tool_that_gives_one_text_gives_it_there() -> None:
    one = {"type": "object", "properties": {"result": STRING}, "required": ["result"]}
    result = heard(one)
    assert (result["isError"], result["structuredContent"]) == (False, {"result": TEXT})


@pytest.mark.parametrize("kind", ["number", "array"])
def test_where_no_shape_fits_it_is_an_error_in_words_alone(kind: str) -> None:
    """Clients check the structured content of an error, too, and throw away what is not as promised."""
    odd = {"type": "object", "properties": {"result": {"type": kind}}, "required": ["result"]}
    result = heard(odd)
    assert (result["isError"], "structuredContent" in result) == (True, False)


def test_a_call_of_a_session_is_kept_without_its_end() -> None:
    request = Request(
        Endpoint("all"), WHO, Era.SESSIONS, 1, "tools/call", {}, ClientFacts("2025-11-25"), "s1"
    )
    kept = body(replace(request, ear=Ear(Over(), nobody)), 60_000_000, (), None, {}, dict)
    assert "ear" not in kept["request"]
    again = waiting("c1", Target("store", "tool", "put"), "", [kept], dict).request
    assert replace(again, identity=WHO) == request


def test_the_envelope_of_a_held_call_is_kept_once_with_its_params() -> None:
    meta: JsonObject = {"k": 1}
    params, facts = {"name": "x", "_meta": meta}, ClientFacts("2026-07-28", said_in=meta)
    request = Request(Endpoint("all"), WHO, Era.STATELESS, 1, "tools/call", params, facts)
    kept = holding._as_json(replace(request, frame=Frame()))
    assert "said_in" not in kept["client"] and "frame" not in kept
    assert holding._from_json(kept) == replace(request, client=replace(facts, said_in=None))


def test_it_waits_on_for_the_rate_of_its_grant_and_not_for_what_never_comes_back() -> None:
    assert waits_on(Refused(Reason.GRANT_SPENT, too_soon=True))
    assert not waits_on(Refused(Reason.GRANT_SPENT))
