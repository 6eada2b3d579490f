"""P7: every effect has its intent. P12: a refused call leaves no trace at its tool server. On random days.

Agents call, answers are lost, the policy says no before the look or after it, calls are undone; what reached
the tool server is noted there, by the permit it came with.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.model import AccessRequest, Decision, JsonObject, Outcome
from gateway.core.record import Permit, State
from gateway.journals.sqlite import SqliteReader
from gateway.ports import CallFilter, CallRow, Outbound
from gateway.reasons import Reason
from tests.undo.rig import Policy, Store, a_rig, failed

SEQUENCES = int(os.environ.get("BULKHEAD_TEST_SEQUENCES", "3"))
MANY = settings(
    max_examples=SEQUENCES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
CALLS, KEYS = 12, ("a", "b", "c")


@dataclass
class Noting(Store):
    """By permit, what came, and what it changed."""

    came: dict[str, str] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)

    async def call(self, permit: Permit, message: Outbound, channel: object) -> Outcome:
        assert permit.call_id not in self.came
        self.came[permit.call_id] = message.params["name"]
        before = dict(self.records)
        answer = await super().call(permit, message, channel)
        if self.records != before:
            self.changed.add(permit.call_id)
        return answer


@dataclass
class Moody(Policy):
    """Says no at random: before it knows how far a call can be undone, or then."""

    chance: Random

    def __post_init__(self) -> None:
        super().__init__()

    def decide(self, question: AccessRequest) -> Decision:
        if not question.subject.startswith("operator:") and self.chance.random() < 0.2:
            return Decision(False, Reason.NO_RULE)
        return super().decide(question)


def a_call(chance: Random) -> tuple[str, JsonObject]:
    one, other = chance.choice(KEYS), chance.choice(KEYS)
    return chance.choice(
        [
            ("put", {"key": one, "value": str(chance.randrange(3))}),
            ("drop", {"key": one}),
            ("rename", {"old": one, "new": other}),
            ("get", {"key": one}),
        ]
    )


async def a_day(directory: Path, seed: int) -> tuple[Noting, Mapping[str, CallRow]]:
    """Random calls of two agents, some lost or failing, and a rollback of one of them."""
    chance = Random(seed)
    store = Noting({"a": "0"})

    def trouble(tool: str, arguments: JsonObject) -> Outcome | None:
        return failed("no") if tool != "get" and chance.random() < 0.1 else None

    def late(tool: str, arguments: JsonObject) -> Outcome | None:
        lost = tool != "get" and chance.random() < 0.2
        return Outcome("in_doubt", detail="lost") if lost else None

    store.trouble, store.late = trouble, late
    async with a_rig(directory, store, Moody(chance)) as rig:
        for _ in range(CALLS):
            await rig.ask("store", *a_call(chance), task=chance.choice(("t1", "t2")))
        await rig.undo(choice="skip", tasks=("t1",))
    # When all that was queued is written: an own look does not wait for its line.
    with closing(SqliteReader(directory / "journal.db")) as reader:
        return store, {row.record.call_id: row for row in reader.calls(CallFilter(), 10_000)}


@MANY
@given(seed=st.integers(0, 2**32))
def test_p7_every_effect_has_an_intent_that_was_there_before_it(seed: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        store, rows = asyncio.run(a_day(Path(directory), seed))
    for call in store.came:
        assert call in rows, f"{store.came[call]} came from nobody"
        assert rows[call].state not in (State.REFUSED, State.HELD, State.CANCELLED)
    for call in store.changed:
        assert rows[call].record.effect != "read"
        assert rows[call].state not in (State.NO_EFFECT, State.NOT_APPLIED, State.REJECTED)


@MANY
@given(seed=st.integers(0, 2**32))
def test_p12_a_refused_call_leaves_no_trace_downstream(seed: int) -> None:
    """Looks at what it would have written are the gateway's own, on record, and change nothing."""
    with tempfile.TemporaryDirectory() as directory:
        store, rows = asyncio.run(a_day(Path(directory), seed))
    refused = {call for call, row in rows.items() if row.state is State.REFUSED}
    assert not refused & store.came.keys()
    for call in rows.keys() - refused:
        if rows[call].record.where.removeprefix("for call ") in refused:
            assert store.came.get(call) == "get" and call not in store.changed


async def test_p12_a_call_the_rules_refuse_outright_is_not_even_looked_at(tmp_path: Path) -> None:
    policy, store = Policy(), Noting({"a": "0"})
    policy.denied_agents = {"put", "drop", "rename", "get"}
    async with a_rig(tmp_path, store, policy) as rig:
        for tool in ("put", "drop", "rename", "get"):
            arguments = {"key": "a", "value": "1"} if tool == "put" else {"key": "a"}
            if tool == "rename":
                arguments = {"old": "a", "new": "b"}
            _, answer = await rig.ask("store", tool, arguments, task="t1")
            assert answer.error is not None
        states = rig.states("agent:a")
    assert (store.came, store.records) == ({}, {"a": "0"})
    assert states == ["refused"] * 4
