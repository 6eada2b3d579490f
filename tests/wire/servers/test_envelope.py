from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.credential import Credential
from gateway.core.model import ClientFacts, Era, JsonObject, Outcome, RpcError
from gateway.ports import Outbound
from gateway.reasons import Reason
from gateway.values import replace
from gateway.wire.agents import mirrored
from gateway.wire.agents.messages import Call
from gateway.wire.servers import envelope

AGENT = ClientFacts("2025-06-18", {"roots": {}}, {"name": "agent", "acme": 1})
STAMPS = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {"roots": {}},
    "io.modelcontextprotocol/clientInfo": {"name": "agent", "acme": 1},
}
VERSION, CAPABILITIES, INFO = STAMPS
LEVEL_KEY = "io.modelcontextprotocol/logLevel"
LEVEL = {LEVEL_KEY: "debug"}
OTHERS = {"progressToken": "t", "traceparent": "00-1", "acme/x": [1]}


def made(params: JsonObject, era: Era, **more: Any) -> JsonObject:
    message = Outbound("tools/call", params, AGENT, "agent:a")
    request = envelope.request(message, 5, era, **more)
    params_sent: JsonObject = request["params"]
    assert request == {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params_sent}
    return params_sent


def test_a_stateless_server_is_told_the_agents_facts_and_every_other_meta_member() -> None:
    params = {"name": "x", "_meta": dict(OTHERS), "acme": 1}
    sent = made(params, Era.STATELESS)
    assert sent == {"name": "x", "acme": 1, "_meta": OTHERS | STAMPS | LEVEL}


@pytest.mark.parametrize("info", [{}, {INFO: None}, {INFO: {"name": "c", "x": 1.0}}])
@pytest.mark.parametrize(
    "level", [{}, {LEVEL_KEY: "error"}, {LEVEL_KEY: "acme"}, {LEVEL_KEY: None}]
)
@pytest.mark.parametrize("others", [{}, OTHERS])
def test_an_envelope_that_says_it_all_goes_on_as_it_came_and_is_what_would_be_written(
    info: JsonObject, level: JsonObject, others: JsonObject
) -> None:
    meta = {**others, VERSION: "2026-07-28", CAPABILITIES: {"roots": True}, **info, **level}
    params = {"name": "x", "_meta": meta}
    facts = mirrored.client_facts(Call(1, "tools/call", params), None)

    def sent(facts: ClientFacts) -> Any:
        message = Outbound("tools/call", params, facts, "agent:a")
        return envelope.request(message, 5, Era.STATELESS)["params"]

    written = sent(replace(facts, said_in=None))
    assert json.dumps(sent(facts), sort_keys=True) == json.dumps(written, sort_keys=True)
    assert (sent(facts) is params) is (info != {INFO: None})


@pytest.mark.parametrize("params", [{"name": "x"}, {"_meta": None, "name": "x"}])
@pytest.mark.parametrize("version", ["2025-06-18", "2026-07-28"])
@pytest.mark.parametrize("info", [None, {"name": "c"}])
def test_a_call_that_says_nothing_of_itself_is_told_of_as_one_that_says_nothing_in_many_words(
    params: JsonObject, version: str, info: JsonObject | None
) -> None:
    client, before = ClientFacts(version, {"roots": {}}, info), dict(params)
    for facts in (client, client, replace(client, log_level="error"), client):
        told = envelope.params_for(params, facts, Era.STATELESS)
        in_many_words = envelope.params_for({**params, "_meta": {}}, facts, Era.STATELESS)
        assert told == in_many_words
    assert params == before
    again = envelope.params_for(params, client, Era.STATELESS, token=5)["_meta"]
    assert again == {
        **envelope.params_for(params, client, Era.STATELESS)["_meta"],
        "progressToken": 5,
    }


def test_what_an_agent_stamped_itself_does_not_survive() -> None:
    lie = {"io.modelcontextprotocol/protocolVersion": "1999", **OTHERS}
    assert made({"_meta": lie}, Era.STATELESS)["_meta"] == OTHERS | STAMPS | LEVEL


def test_a_session_server_is_not_shown_the_other_eras_stamps() -> None:
    assert made({"_meta": OTHERS | STAMPS}, Era.SESSIONS) == {"_meta": OTHERS}
    assert made({"_meta": dict(STAMPS)}, Era.SESSIONS) == {}


def test_h9_an_agent_of_sessions_hears_all_or_what_it_set_and_a_stateless_one_only_what_it_asked_for() -> (
    None
):
    def level(client: ClientFacts, meta: JsonObject) -> Any:
        sent = envelope.params_for({"_meta": meta}, client, Era.STATELESS)
        return sent["_meta"].get("io.modelcontextprotocol/logLevel")

    assert level(ClientFacts("2025-11-25"), {}) == "debug"
    assert level(ClientFacts("2025-11-25", log_level="error"), {}) == "error"
    assert level(ClientFacts("2026-07-28"), {}) is None
    own = {"io.modelcontextprotocol/logLevel": "acme"}
    assert level(ClientFacts("2026-07-28"), own) == "acme"


def test_a_session_server_is_not_sent_the_level_of_one_request() -> None:
    assert made({"_meta": OTHERS | LEVEL}, Era.SESSIONS) == {"_meta": OTHERS}


def test_an_agent_without_a_name_is_given_none() -> None:
    stamped = envelope.stamps(ClientFacts("2026-07-28"))
    assert "io.modelcontextprotocol/clientInfo" not in stamped


@given(st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=4), max_size=4))
def test_params_without_stamps_reach_a_session_server_unchanged(params: JsonObject) -> None:
    before = {**params, "_meta": {**OTHERS}}
    assert made(before, Era.SESSIONS) == before
    assert before == {**params, "_meta": {**OTHERS}}


def test_the_progress_token_is_replaced_on_the_wire_only() -> None:
    params = {"_meta": dict(OTHERS)}
    assert made(params, Era.SESSIONS, token=5)["_meta"] == OTHERS | {"progressToken": 5}
    assert envelope.progress_token(params) == "t"


@pytest.mark.parametrize("token", [True, 1.5, None, [], {}])
def test_what_is_no_progress_token_is_none(token: Any) -> None:
    assert envelope.progress_token({"_meta": {"progressToken": token}}) is None


def test_a_result_is_ok_and_kept_whole() -> None:
    result = {"content": [], "acme": {"x": None}}
    assert envelope.outcome({"id": 1, "result": result}, "git") == Outcome("ok", result=result)


@pytest.mark.parametrize(
    "flag, kind", [(True, "tool_error"), (False, "ok"), ("true", "ok"), (1, "ok")]
)
def test_only_is_error_true_is_a_tool_error(flag: Any, kind: str) -> None:
    assert envelope.outcome({"result": {"isError": flag}}, "git").kind == kind


def test_an_error_is_rejected_with_code_message_and_data() -> None:
    answer = {"id": 1, "error": {"code": -32021, "message": "m", "data": None}}
    assert envelope.outcome(answer, "git").error == RpcError(-32021, "m", None, has_data=True)
    bare = {"id": 1, "error": {"code": 5, "message": ""}}
    assert envelope.outcome(bare, "git").error == RpcError(5, "")


def test_a_null_beside_a_result_or_an_error_is_none() -> None:
    assert envelope.outcome({"result": {"a": 1}, "error": None}, "git").result == {"a": 1}
    error = {"code": 5, "message": "m"}
    assert envelope.outcome({"result": None, "error": error}, "git").error == RpcError(5, "m")


def test_a_code_with_a_point_is_the_number_it_is() -> None:
    answer = {"error": {"code": -32000.0, "message": "m"}}
    assert envelope.outcome(answer, "git").error == RpcError(-32000, "m")


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"result": None, "error": None},
        {"error": {"code": 1.5, "message": "m"}},
        {"result": []},
        {"result": {}, "error": {"code": 1, "message": "both"}},
        {"error": "words"},
        {"error": {"code": "1", "message": "m"}},
        {"error": {"code": True, "message": "m"}},
        {"error": {"code": 1}},
    ],
)
def test_what_is_no_response_leaves_the_call_in_doubt(answer: JsonObject) -> None:
    outcome = envelope.outcome(answer, "git")
    assert outcome.kind == "in_doubt" and "git" in outcome.detail


def test_what_was_not_forwarded_is_an_error_of_our_own_naming_the_server() -> None:
    outcome = envelope.not_forwarded("git", Reason.OVERLOADED, "256 calls")
    assert outcome.kind == "rejected" and outcome.error is not None
    assert not -32768 <= outcome.error.code <= -32000
    assert outcome.error.data == {"reason": "overloaded", "server": "git"}


@pytest.mark.parametrize("theirs", [7, "7", 7.0])
def test_a_number_is_known_again_however_it_is_written(theirs: Any) -> None:
    assert envelope.number(theirs) == 7


@pytest.mark.parametrize(
    "theirs",
    [None, True, "", "seven", "-7", "7.0", "\u0667", "7" * 19, 7.5, math.inf, math.nan, [7], {}],
)
def test_what_is_no_number_of_ours_is_none(theirs: Any) -> None:
    assert envelope.number(theirs) is None


def test_ids_count_up_and_never_repeat() -> None:
    ids = envelope.ids()
    assert [next(ids) for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize(
    "versions, stateless",
    [(["2026-07-28"], True), (["2025-11-25"], False), ("2026-07-28", False), (None, False)],
)
def test_a_server_is_stateless_when_it_offers_that_version(versions: Any, stateless: bool) -> None:
    assert envelope.speaks_stateless({"supportedVersions": versions}) is stateless


def test_initialize_offers_the_newest_and_takes_any_older_version() -> None:
    offered = envelope.initialize(1, ClientFacts("2026-07-28", {"roots": {}}))["params"]
    assert offered["protocolVersion"] == "2025-11-25" and offered["capabilities"] == {"roots": {}}
    assert envelope.agreed_version({"protocolVersion": "2024-11-05"}) == "2024-11-05"
    assert envelope.agreed_version({"protocolVersion": "2026-07-28"}) is None
    assert envelope.agreed_version({}) is None


def test_a_server_is_told_that_it_would_hear_of_changed_roots_only_of_who_can_say_it() -> None:
    """One that waits for it would go on with roots that are none any more."""
    said: JsonObject = {"roots": {"listChanged": True, "vendor": 1}, "sampling": {}}
    stateless = envelope.initialize(1, ClientFacts("2026-07-28", said))["params"]["capabilities"]
    session = envelope.initialize(1, ClientFacts("2025-06-18", said))["params"]["capabilities"]
    assert (stateless, session) == ({"roots": {"vendor": 1}, "sampling": {}}, said)


def test_a_server_hears_nothing_of_what_a_stateless_client_leaves_out_by_null() -> None:
    info = {"name": "typed", "title": None}
    said: JsonObject = {"sampling": None, "elicitation": {"form": {}, "url": None}}
    offered = envelope.initialize(1, ClientFacts("2026-07-28", said, info))["params"]
    assert offered["capabilities"] == {"elicitation": {"form": {}}}
    assert offered["clientInfo"] == {"name": "typed"}


def test_a_secret_goes_before_the_words_it_stands_in_are_cut() -> None:
    lent = Credential("one", hide=lambda text: text.replace("long-secret", "[hidden]"))
    text = "x" * (envelope.SHORT - 4) + "long-secret" + "y" * 100_000
    outcome = Outcome("rejected", error=RpcError(1, text))
    assert envelope.said(outcome, lent) == "x" * (envelope.SHORT - 4) + "[hid"
    assert envelope.said(outcome, None) == text[: envelope.SHORT]
    assert envelope.said(Outcome("in_doubt", detail="long-secret"), lent) == "[hidden]"
