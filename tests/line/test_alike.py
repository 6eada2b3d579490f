"""What a call has in common with others is found again only by what it is made of, and is all but its own."""

from __future__ import annotations

import dataclasses
import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.core.decide import Decided
from gateway.core.describe import whole
from gateway.core.model import (
    CallRecord,
    Classified,
    ClientFacts,
    Decision,
    Effect,
    Endpoint,
    Entry,
    Era,
    Obligation,
    Own,
    Request,
    Resolved,
    Shadow,
    Target,
    Tier,
)
from gateway.errors import Where
from gateway.line.alike import MOST, Alike, Like
from gateway.ports import Mark
from gateway.reasons import Reason
from gateway.values import replace
from tests.test_pep import WHO, Policy

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass
class Marking(Policy):
    """Marks one argument."""

    sealed: dict[str, Mark] = field(default_factory=lambda: {"/x": "sealed"})

    def marks(self, classified: Classified | None) -> dict[str, Mark]:
        return self.sealed


@dataclass(frozen=True)
class Asked:
    """All that `Alike` is asked by."""

    decided: Decided
    policy: Policy = field(default_factory=Marking)
    grant: str = "g1"

    def of(self, alike: Alike) -> Like:
        return alike.of(self.decided, self.policy, self.grant)

    def by(self, **changes: Any) -> Asked:
        """Another request's."""
        classified = self.decided.classified
        request = replace(classified.resolved.request, **changes)
        return self.to(request=request)

    def to(self, **changes: Any) -> Asked:
        """Resolved to something else."""
        resolved = replace(self.decided.classified.resolved, **changes)
        return self.as_(resolved=resolved)

    def as_(self, **changes: Any) -> Asked:
        """Classified as something else."""
        classified = replace(self.decided.classified, **changes)
        return dataclasses.replace(self, decided=replace(self.decided, classified=classified))

    def on(self, **changes: Any) -> Asked:
        """Decided by something else."""
        decision = replace(self.decided.decision, **changes)
        return dataclasses.replace(self, decided=replace(self.decided, decision=decision))


def asked(session: str | None = None) -> Asked:
    target, here = Target("s", "tool", "t"), Where("policy.csv", 1)
    params = {"name": "s__t", "arguments": {"x": 1}, "_meta": {"traceparent": TRACE}}
    facts = ClientFacts("2026-07-28")
    request = Request(Endpoint("all"), WHO, Era.SESSIONS, 1, "tools/call", params, facts, session)
    entry = Entry(target, "s__t", {}, "sha256:d")
    resolved = Resolved(request, target, entry, params)
    classified = Classified(resolved, Tier.DATA, Effect.READ, "local", here)
    return Asked(Decided(classified, Decision(True, Reason.ALLOWED_BY_RULE, "P010", here)))


OTHER = Where("policy.csv", 2)
CHANGES: dict[str, Callable[[Asked], Asked]] = {
    "agent": lambda one: one.by(identity=replace(WHO, agent="agent:b")),
    "tenant": lambda one: one.by(identity=replace(WHO, tenant="other")),
    "task": lambda one: one.by(identity=replace(WHO, task="t2")),
    "intent": lambda one: one.by(identity=replace(WHO, intent="other")),
    "on_behalf_of": lambda one: one.by(identity=replace(WHO, on_behalf_of="ann")),
    "endpoint": lambda one: one.by(endpoint=Endpoint("tier", Tier.DATA)),
    "method": lambda one: one.by(method="prompts/get"),
    "server": lambda one: one.to(target=Target("r", "tool", "t")),
    "target": lambda one: one.to(target=Target("s", "tool", "u")),
    "descriptor": lambda one: one.to(entry=Entry(Target("s", "tool", "t"), "s__t", {}, "sha256:e")),
    "tier": lambda one: one.as_(tier=Tier.TOOL),
    "effect": lambda one: one.as_(effect=Effect.WRITE),
    "destination": lambda one: one.as_(destination="far"),
    "rule": lambda one: one.on(rule="P020"),
    "where": lambda one: one.on(where=OTHER),
    "duties": lambda one: one.on(obligations=(Obligation("hold", "P030", OTHER),)),
    "shadows": lambda one: one.on(shadows=(Shadow("P040", OTHER),)),
    "policy_version": lambda one: dataclasses.replace(one, policy=Marking(version="sha256:2")),
    "grant": lambda one: dataclasses.replace(one, grant="g2"),
}
"""A member of the record -> the same call with another one."""
COMMON = {*CallRecord.__struct_fields__} - {"call_id", *Own.__struct_fields__}


def test_every_member_that_is_not_a_calls_own_is_changed_here() -> None:
    assert set(CHANGES) == COMMON


@pytest.mark.parametrize("name", CHANGES)
def test_a_call_that_differs_in_one_thing_is_described_anew(name: str) -> None:
    alike, one = Alike(str), asked()
    first = one.of(alike).record
    other = CHANGES[name](one).of(alike).record
    assert getattr(other, name) != getattr(first, name)
    assert one.of(alike).record == first
    assert other == CHANGES[name](one).of(Alike(str)).record


def test_a_call_like_the_one_before_is_not_described_again() -> None:
    names: list[str] = []

    def clean(name: str) -> str:
        names.append(name)
        return name

    alike, one = Alike(clean), asked()
    assert one.of(alike) is one.by(id=2, params={"name": "s__t"}, session="s2").of(alike)
    assert names == ["t"]


def test_nothing_of_one_call_is_in_what_it_has_in_common_with_others() -> None:
    common = asked(session="s1").of(Alike(str)).record
    assert (common.call_id, common.trace, common.session) == ("", "", "")
    assert (common.arguments, common.arguments_digest, common.beside) == ({}, "", {})
    own = Own({"x": 1}, "digest", {"y": 2}, TRACE, "s1")
    record = whole("call1", common, own)
    assert (record.call_id, record.trace, record.session) == ("call1", TRACE, "s1")
    assert (record.arguments, record.arguments_digest, record.beside) == (
        {"x": 1},
        "digest",
        {"y": 2},
    )
    assert record.agent == WHO.agent


def test_the_marks_are_those_of_the_policy_it_was_decided_by() -> None:
    alike, one = Alike(str), asked()
    assert one.of(alike).marks == {"/x": "sealed"}
    assert dataclasses.replace(one, policy=Policy()).of(alike).marks == {}


def test_a_caller_with_a_new_token_is_the_same_caller() -> None:
    alike, one = Alike(str), asked()
    assert one.of(alike) is one.by(identity=replace(WHO, token_id="jti-2", expires_at=1)).of(alike)


def followed(one: Asked, course: object) -> Asked:
    """As who followed a course."""
    return dataclasses.replace(one, decided=replace(one.decided, course=course))


@pytest.mark.parametrize("name", CHANGES)
def test_by_the_course_it_followed_a_call_is_described_as_without(name: str) -> None:
    alike, one = Alike(str), asked()
    for each, course in ((one, object()), (CHANGES[name](one), object())):
        like = followed(each, course).of(alike)
        assert (like.record, like.marks) == (each.of(Alike(str)).record, each.of(Alike(str)).marks)
        assert followed(each.by(id=2, params={}), course).of(alike) is like


def test_a_course_goes_for_its_grant_and_under_its_policy() -> None:
    alike, one = Alike(str), followed(asked(), object())
    assert one.of(alike).record.grant == "g1"
    assert dataclasses.replace(one, grant="g2").of(alike).record.grant == "g2"
    other = dataclasses.replace(one, policy=Marking(version="sha256:2", sealed={}))
    assert (other.of(alike).record.policy_version, other.of(alike).marks) == ("sha256:2", {})
    assert one.of(alike).marks == {"/x": "sealed"}


def test_what_is_kept_is_bounded() -> None:
    alike, one = Alike(str), asked()
    first = one.of(alike)
    for n in range(MOST):
        dataclasses.replace(one, grant=f"g-{n}").of(alike)
    assert one.of(alike) is not first


def test_a_policy_that_was_replaced_is_not_kept_alive() -> None:
    alike, one, policy = Alike(str), asked(), Marking()
    gone = weakref.ref(policy)
    dataclasses.replace(one, policy=policy).of(alike)
    del policy
    one.of(alike)
    gc.collect()
    assert gone() is None
