"""Tasks: whose they are, which tool is behind them, and when an answer makes or ends one."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.model import (
    ClientFacts,
    Endpoint,
    Entry,
    Era,
    JsonObject,
    Outcome,
    Request,
    Resolved,
    Target,
)
from gateway.core.resolve import Shelf, Table
from gateway.core.reverse import Level, Reversal
from gateway.core.tasks import (
    EXTENSION,
    MAX_TASK_ID,
    TaskMade,
    brings_more,
    finished,
    made_by,
    named,
    resolve_task,
)
from gateway.errors import Refused
from gateway.reasons import Reason
from gateway.values import replace
from tests.catalogue.offering import ALL, asks, at

KNOWS = ClientFacts("2026-07-28", {"extensions": {EXTENSION: {}}})
SINCE = ClientFacts("2025-11-25")
ENTRY = Entry(Target("s", "tool", "t"), "s__t", {"name": "t"}, "sha256:d")
TABLE = Table("1", Shelf(), {"s": Shelf(tools={"t": ENTRY}), "other": Shelf(tools={"t": ENTRY})})


def word(method: str = "tasks/get", endpoint: Endpoint = ALL, **params: Any) -> Request:
    return replace(asks(method, {"taskId": "1", **params}, endpoint), client=KNOWS)


def in_session(method: str) -> Request:
    return replace(word(method), era=Era.SESSIONS, client=SINCE)


def made(request: Request, **changes: Any) -> TaskMade:
    plain = TaskMade("s", "1", "t", request.identity.owner, {"x": 1}, "exact", "cas")
    return replace(plain, **changes)


def refused(request: Request, task: TaskMade | None, table: Table = TABLE) -> Reason:
    with pytest.raises(Refused) as no:
        resolve_task(table, request, task)
    return no.value.reason


@pytest.mark.parametrize("endpoint", [ALL, at("s")])
def test_a_word_about_a_task_is_decided_as_the_call_that_made_it(endpoint: Endpoint) -> None:
    found = resolve_task(TABLE, word(endpoint=endpoint), made(word()))
    assert (found.target, found.entry) == (Target("s", "tool", "t"), ENTRY)
    assert (found.arguments, found.decided_level) == ({"x": 1}, ("exact", "cas"))
    assert found.params == {"taskId": "1"}


def test_a_task_of_a_read_has_no_level_of_its_own() -> None:
    assert resolve_task(TABLE, word(), made(word(), level="", guard="")).decided_level is None


@pytest.mark.parametrize(
    "other",
    [
        {"agent": "agent:b"},
        {"tenant": "elsewhere"},
        {"issuer": "urn:other"},
        {"on_behalf_of": "ann"},
    ],
    ids=str,
)
def test_a_task_is_nobody_elses(other: dict[str, Any]) -> None:
    theirs = replace(word(), identity=replace(word().identity, **other))
    assert refused(word(), made(theirs)) is Reason.UNKNOWN_TARGET
    assert refused(theirs, made(word())) is Reason.UNKNOWN_TARGET


def test_a_task_is_its_agents_whatever_its_token_and_its_task() -> None:
    later = replace(word().identity, token_id="new", task="another", intent="other")
    assert resolve_task(TABLE, replace(word(), identity=later), made(word())).target.name == "t"


def test_a_task_nobody_made_and_one_of_another_server_are_unknown() -> None:
    assert refused(word(), None) is Reason.UNKNOWN_TARGET
    assert refused(word(endpoint=at("other")), made(word())) is Reason.UNKNOWN_TARGET


@pytest.mark.parametrize(
    "shelf", [Shelf(), Shelf(withheld={("tool", "t"): "it has changed"}), None]
)
def test_a_task_whose_tool_is_withheld_or_gone_is_not_reached(shelf: Shelf | None) -> None:
    table = replace(TABLE, servers={"s": shelf} if shelf else {})
    assert refused(word(), made(word()), table) is Reason.QUARANTINED


@pytest.mark.parametrize("task_id", ["", "x" * (MAX_TASK_ID + 1), 1, None, ["1"]])
def test_what_is_no_id_is_malformed(task_id: Any) -> None:
    with pytest.raises(Refused) as no:
        named(word(taskId=task_id))
    assert no.value.reason is Reason.MALFORMED
    assert named(word(taskId="x" * MAX_TASK_ID)) == "x" * MAX_TASK_ID


@pytest.mark.parametrize(
    "capabilities",
    [{}, {"extensions": {}}, {"extensions": {EXTENSION: True}}, {"extensions": [EXTENSION]}],
)
def test_a_client_without_sessions_says_each_time_that_it_knows_tasks(
    capabilities: JsonObject,
) -> None:
    silent = replace(word(), client=ClientFacts("2026-07-28", capabilities))
    with pytest.raises(Refused) as no:
        named(silent)
    assert no.value.reason is Reason.MISSING_CAPABILITY
    assert named(replace(silent, era=Era.SESSIONS)) == "1"


@pytest.mark.parametrize(
    ("request_", "more"),
    [
        (word("tasks/get"), False),
        (word("tasks/get", _meta={"k": 1}), False),
        (word("tasks/cancel"), False),
        (word("tasks/update", inputResponses={"q": {}}), True),
        (word("tasks/get", vendor=1), True),
        (asks("tools/call", {"name": "t", "arguments": {}}), False),
    ],
)
def test_a_word_brings_more_if_it_says_more_than_which_task(request_: Request, more: bool) -> None:
    assert brings_more(request_) is more


def called(method: str = "tools/call") -> Resolved:
    request = asks(method, {"name": "t", "arguments": {"x": 1}})
    return Resolved(request, Target("s", "tool", "t"), ENTRY, request.params)


FLAT: JsonObject = {"resultType": "task", "taskId": "1"}
NESTED: JsonObject = {"task": {"taskId": "1"}}


@pytest.mark.parametrize("result", [FLAT, NESTED, {**FLAT, "task": {"taskId": "2"}}])
def test_an_answer_with_a_task_in_it_makes_one_of_its_call(result: JsonObject) -> None:
    way_back = Reversal(Level.EXACT, guard="cas")
    task = made_by(called(), Outcome("ok", result), way_back)
    assert task == made(called().request)
    read = made_by(called(), Outcome("ok", result), None)
    assert read == made(called().request, level="", guard="")


@pytest.mark.parametrize(
    "result",
    [
        None,
        {},
        {"taskId": "1"},
        {"resultType": "complete", "taskId": "1"},
        {"resultType": "complete", **NESTED},
        {"resultType": "task", **NESTED},
        {"resultType": "task", "taskId": ""},
        {"resultType": "task", "taskId": "x" * (MAX_TASK_ID + 1)},
        {"resultType": "task", "taskId": 1},
        {"task": "1"},
        {"task": {"taskId": None}},
    ],
    ids=lambda result: str(result)[:60],
)
def test_any_other_answer_makes_none(result: JsonObject | None) -> None:
    assert made_by(called(), Outcome("ok", result), None) is None


def test_what_was_not_done_or_is_no_call_makes_none() -> None:
    for outcome in (Outcome("tool_error", FLAT), Outcome("in_doubt"), Outcome("rejected")):
        assert made_by(called(), outcome, None) is None
    assert made_by(called("prompts/get"), Outcome("ok", FLAT), None) is None


def about(request: Request) -> Resolved:
    return resolve_task(TABLE, request, made(request))


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_an_answer_that_says_how_a_task_ended_is_kept(status: str) -> None:
    said = finished(about(word()), Outcome("ok", {"status": status}))
    assert said == {"task": "1", "status": status}


@pytest.mark.parametrize("kind", ["ok", "tool_error"])
def test_the_result_itself_says_that_a_task_has_ended(kind: Any) -> None:
    said = finished(about(in_session("tasks/result")), Outcome(kind, {"content": []}))
    assert said == {"task": "1", "status": "completed"}


@pytest.mark.parametrize(
    ("resolved", "outcome"),
    [
        (about(word()), Outcome("ok", {"status": "working"})),
        (about(word()), Outcome("ok", {"status": ["completed"]})),
        (about(word()), Outcome("ok", {})),
        (about(word()), Outcome("in_doubt", {"status": "completed"})),
        (about(in_session("tasks/result")), Outcome("rejected", {})),
        (about(in_session("tasks/result")), Outcome("ok")),
    ],
)
def test_of_any_other_nothing_is_kept(resolved: Resolved, outcome: Outcome) -> None:
    assert finished(resolved, outcome) == {}
