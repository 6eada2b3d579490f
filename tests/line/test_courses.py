"""A call like one before is decided as it was, and only while nothing it was decided by has changed."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from gateway.core.decide import Decided, admit, question, require
from gateway.core.frame import Frame
from gateway.core.model import ClientFacts, Endpoint, Entry, Era, Request, Target
from gateway.core.resolve import Shelf, Table, resolve
from gateway.core.reverse import Level, Reversal
from gateway.errors import Refused
from gateway.line.courses import MOST, Courses, with_level
from gateway.policy.snapshot import PolicySnapshot, load
from gateway.reasons import Reason
from gateway.settings import ServerSettings
from gateway.values import replace
from tests.test_pep import WHO

HERE = Endpoint("server", server="s")
MODEL = (Path(__file__).parents[2] / "policies" / "model.conf").read_text()
TIERS = """
servers:
  s:
    tools:
      read: {tier: data, effect: read}
      lifted:
        tier: data
        effect: read
        raise: [{argument: /x, unless: {const: 1}, effect: write}]
      sends: {tier: data, effect: write, destination: {argument: /url}}
"""
POLICY = """
p, P010, data, s, read|lifted, role:reader, local, general, local, -, allow
p, P020, data, s, sends, role:reader, local, general, *, -, allow
g, agent:a, role:reader, local
"""


def policy(at: Path, more: str = "", constraints: str = "") -> PolicySnapshot:
    at.mkdir(parents=True, exist_ok=True)
    (at / "model.conf").write_text(MODEL)
    (at / "tiers.yaml").write_text(TIERS)
    (at / "policy.csv").write_text(POLICY + more)
    if constraints:
        (at / "constraints.yaml").write_text(constraints)
    return load(at, {"s": ServerSettings(url="http://127.0.0.1:9/mcp")})


def table() -> Table:
    entries = {
        name: Entry(Target("s", "tool", name), name, {"name": name}, "sha256:d")
        for name in ("read", "lifted", "sends")
    }
    return Table("1", Shelf(tools=entries), {"s": Shelf(tools=entries)})


def request(name: Any = "read", arguments: Any = None, **params: Any) -> Request:
    said = {"name": name, "arguments": arguments or {"x": 1}, **params}
    return Request(HERE, WHO, Era.STATELESS, 1, "tools/call", said, ClientFacts("2026-07-28"))


def asked(of: Table, by: PolicySnapshot, one: Request) -> Decided:
    classified = by.classify(resolve(of, one))
    return require(admit(classified), by.decide(question(classified)))


def told(followed: Decided | None) -> Decided:
    """As it would be if it were asked for, when nobody knew that it was decided before."""
    assert followed is not None and followed.course is not None
    return replace(followed, course=None)


def test_a_call_like_one_before_is_decided_as_it_would_be_if_it_were_asked_for(
    tmp_path: Path,
) -> None:
    courses, of, by = Courses(), table(), policy(tmp_path)
    courses.note(of, by, asked(of, by, request()))
    other = request(arguments={"x": "another", "y": [1]}, _meta={"k": 1})
    assert told(courses.follow(of, by, other)) == asked(of, by, other)


def test_a_call_by_the_name_of_an_aggregate_reaches_its_server_by_its_own(tmp_path: Path) -> None:
    entry = Entry(Target("s", "tool", "read"), "s__read", {"name": "read"}, "sha256:d")
    of = Table("1", Shelf(tools={"s__read": entry}), {"s": Shelf(tools={"read": entry})})
    courses, by = Courses(), policy(tmp_path)
    one = replace(request("s__read"), endpoint=Endpoint("all"))
    courses.note(of, by, asked(of, by, one))
    followed = told(courses.follow(of, by, one))
    assert followed == asked(of, by, one)
    assert followed.classified.resolved.params["name"] == "read"


@pytest.mark.parametrize("name", ["lifted", "sends"])
def test_where_arguments_have_a_say_every_call_is_asked_for(tmp_path: Path, name: str) -> None:
    courses, of, by = Courses(), table(), policy(tmp_path)
    one = request(name, {"x": 1, "url": "https://example.com/a"})
    courses.note(of, by, asked(of, by, one))
    assert courses.follow(of, by, one) is None


@pytest.mark.parametrize(
    "rule",
    [
        "p, D010, data, s, read, *, *, *, *, small, deny",
        "p, W010, data, s, read, *, *, *, *, -, would-deny",
    ],
)
def test_where_a_condition_or_a_trial_has_a_say_every_call_is_asked_for(
    tmp_path: Path, rule: str
) -> None:
    small = "conditions:\n  small: {arguments: {x: {const: 2}}}\n"
    courses, of, by = Courses(), table(), policy(tmp_path, f"{rule}\n", small)
    courses.note(of, by, asked(of, by, request()))
    assert courses.follow(of, by, request()) is None


EACH_LEVEL = [
    Reversal(each, guard=guard, why="why")
    for each in Level
    for guard in ("none", "locked-check", "cas")
]


@pytest.mark.parametrize("more", ["", "p, O010, data, s, read, *, *, *, *, -, approve\n"])
def test_a_call_that_follows_a_course_is_decided_with_its_level_as_if_it_were_asked_for(
    tmp_path: Path, more: str
) -> None:
    courses, of, by = Courses(), table(), policy(tmp_path, more)
    courses.note(of, by, asked(of, by, request()))
    followed = courses.follow(of, by, request(arguments={"x": "another"}))
    assert followed is not None
    for reversal in EACH_LEVEL:
        classified = followed.classified
        long = require(classified, by.decide(question(classified, reversal)), reversal)
        assert told(with_level(by, followed, reversal)) == long


def test_where_a_condition_asks_for_the_level_it_is_asked_with_it(tmp_path: Path) -> None:
    lost = "conditions:\n  lost: {level: {below: exact}}\n"
    deny = "p, D010, data, s, read, *, *, *, *, lost, deny\n"
    courses, of, by = Courses(), table(), policy(tmp_path, deny, lost)
    decided = courses.note(of, by, asked(of, by, request()))
    assert courses.follow(of, by, request()) is None
    assert with_level(by, decided, Reversal(Level.EXACT)).decision.permitted
    with pytest.raises(Refused) as no:
        with_level(by, decided, Reversal(Level.NONE, why="why"))
    assert no.value.reason is Reason.NOT_REVERSIBLE


def test_another_table_or_another_version_of_the_policy_is_asked_anew(tmp_path: Path) -> None:
    courses, of, by = Courses(), table(), policy(tmp_path / "a")
    other = policy(tmp_path / "b", "p, D900, data, s, read, *, *, *, *, -, deny\n")
    courses.note(of, by, asked(of, by, request()))
    assert courses.follow(table(), by, request()) is None
    assert courses.follow(of, other, request()) is None
    with pytest.raises(Refused):
        asked(of, other, request())


def test_another_caller_endpoint_or_method_is_asked_for(tmp_path: Path) -> None:
    courses, of, by = Courses(), table(), policy(tmp_path)
    courses.note(of, by, asked(of, by, request()))
    for other in (
        replace(request(), identity=replace(WHO, intent="other")),
        replace(request(), endpoint=Endpoint("all")),
        replace(request(), method="prompts/get"),
        request("lifted"),
        request(["read"]),
    ):
        assert courses.follow(of, by, other) is None


def test_what_a_call_brings_of_its_own_is_looked_at_each_time(tmp_path: Path) -> None:
    courses, of, by = Courses(), table(), policy(tmp_path)
    courses.note(of, by, asked(of, by, request()))
    with pytest.raises(Refused) as no:
        courses.follow(of, by, request(Name="lifted"))
    assert no.value.reason is Reason.MALFORMED


def test_it_keeps_no_more_than_it_may_and_nothing_of_a_call(tmp_path: Path) -> None:
    courses, of, by = Courses(), table(), policy(tmp_path)
    callers = [replace(WHO, token_id=str(n)) for n in range(MOST + 10)]
    for caller in callers:
        courses.note(of, by, asked(of, by, replace(request(), identity=caller)))
    followed = courses.follow(of, by, replace(request(), identity=callers[-1]))
    assert followed is not None
    assert courses.follow(of, by, replace(request(), identity=callers[0])) is None


def same(courses: Courses, of: Table, by: PolicySnapshot, one: Request) -> bool:
    """Is it followed in its frame as it is without? Whether it is followed at all."""
    try:
        expected = courses.follow(of, by, replace(one, frame=None))
    except Refused as no:
        with pytest.raises(Refused) as same:
            courses.follow(of, by, one)
        assert same.value.reason is no.reason
        return False
    found = courses.follow(of, by, one)
    if expected is None or found is None:
        assert found is expected
        return False
    assert found.course is expected.course and found.decision == expected.decision
    before, after = found.classified.resolved, expected.classified.resolved
    assert (before.target, before.entry, before.params) == (
        after.target,
        after.entry,
        after.params,
    )
    return before.request is one


def test_a_call_in_a_frame_goes_as_one_without_whatever_has_changed_meanwhile(
    tmp_path: Path,
) -> None:
    courses, frame = Courses(), Frame()
    first, second = (
        policy(tmp_path / "a"),
        policy(tmp_path / "b", "p, D900, data, s, lifted, *, *, *, *, -, deny\n"),
    )
    tables, other = [table(), table()], replace(WHO, intent="other")
    one = replace(request(), frame=frame)
    followed = 0
    for of, by, who in itertools.product(tables, (first, second, first), (WHO, other, WHO)):
        call = replace(one, identity=who)
        followed += same(courses, of, by, call)
        if who is WHO:
            courses.note(of, by, asked(of, by, replace(call, frame=None)))
            assert same(courses, of, by, call)
            assert same(courses, of, by, call)
        assert not same(courses, of, by, replace(call, endpoint=Endpoint("server", server="s")))
    assert followed > 0


def test_nothing_is_kept_in_a_frame_of_a_call_that_was_not_followed(tmp_path: Path) -> None:
    courses, of, by, frame = Courses(), table(), policy(tmp_path), Frame()
    one = replace(request("lifted"), frame=frame)
    courses.note(of, by, asked(of, by, one))
    assert courses.follow(of, by, one) is None
    assert frame.course is None
