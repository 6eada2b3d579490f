"""What an agent hears of a call that is held, in whatever shape its tool has promised."""

from __future__ import annotations

import json

import pytest

from gateway.core.decide import Decided
from gateway.core.frame import Frame
from gateway.core.model import (
    Classified,
    ClientFacts,
    Decision,
    Effect,
    Endpoint,
    Entry,
    Era,
    JsonObject,
    Request,
    Resolved,
    Target,
    Tier,
)
from gateway.core.over import Ear, Over, nobody
from gateway.errors import Refused, Where
from gateway.line import holding
from gateway.line.holding import answer, body, waiting, waits_on
from gateway.reasons import Reason
from gateway.values import replace
from tests.test_pep import WHO

SAID = {"status": "held", "call_id": "c1", "release_at": "1970-01-01T00:01:00+00:00"}
TEXT = json.dumps(SAID)
STRING: JsonObject = {"type": "string"}


def decided(request: Request) -> Decided:
    resolved = Resolved(request, Target("store", "tool", "put"), None, request.params)
    where = Where("policies/policy.csv", 1)
    classified = Classified(resolved, Tier.TOOL, Effect.WRITE, "local", where)
    return Decided(classified, Decision(True, Reason.ALLOWED_BY_RULE, rule="P1", where=where))


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
    said = decided(replace(request, ear=Ear(Over(), nobody)))
    kept = body(said, 60_000_000, (), None, {}, dict)
    assert "ear" not in kept["request"]
    again = waiting("c1", Target("store", "tool", "put"), "", [kept], dict).request
    assert replace(again, identity=WHO) == request


def test_what_cannot_be_kept_is_refused_under_the_rule_that_allowed_it() -> None:
    """Without it, a later reader takes it for a no of the policy's."""
    request = Request(
        Endpoint("all"), WHO, Era.STATELESS, 1, "tools/call", {}, ClientFacts("2026-07-28")
    )
    with pytest.raises(Refused, match="the journal may not keep it") as no:
        body(decided(request), 60_000_000, (), None, {"/pin": "redacted"}, dict)
    assert (no.value.reason, no.value.rule) == (Reason.NOT_REVERSIBLE, "P1")


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
