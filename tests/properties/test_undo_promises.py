"""What an undo promises, on the real servers through the whole gateway, by an oracle that goes past it.

P1 restore, P2 prefix, P3 no silent loss, P4 idempotent, P5 foreign writes survive, P8 at most one forward,
P9 selective, P14 plan is execution. The names are those of docs/reference/promises.md. Sequences per
server and property: BULKHEAD_TEST_SEQUENCES; how many calls they made and took back is printed (-s).
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.record import DOUBTFUL, State
from gateway.core.reverse import Level, Recorded, meet
from tests.properties.people import FOUND, PEOPLE
from tests.undo.homes import SERVERS
from tests.undo.real import WHOLE, Day, a_day
from tests.undo.scratch import World, a_world

SEQUENCES = int(os.environ.get("BULKHEAD_TEST_SEQUENCES", "3"))
MANY = settings(
    max_examples=SEQUENCES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    print_blob=True,
)
RANDOMS = st.integers(0, 2**48).map(Random)
# Not `st.randoms`: what is drawn then would depend on what the servers do, and hide how a run failed.
UNTOUCHED = (State.NO_EFFECT, State.FAILED, State.REJECTED, State.NOT_APPLIED)
COUNTS: Counter[str] = Counter()
SETTLED = 0.98
"""Of the answers that are lost so many are settled by looking, and none wrongly."""
SPARE = 2
"""In a short run one more is no share."""


@pytest.fixture(scope="module", params=SERVERS)
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    COUNTS.clear()
    with a_world(request.param, tmp_path_factory.mktemp(request.param).resolve()) as made:
        yield made
    sys.stdout.write(f"\n{request.param}: {dict(sorted(COUNTS.items()))}\n")
    assert COUNTS["restored"] > 0 or COUNTS["sequences"] < 10
    assert COUNTS["in doubt, settled"] >= SETTLED * COUNTS["in doubt"] - SPARE


def differing(day: Day, index: int) -> set[str]:
    """What call number `index` changed."""
    return unlike(day.seen[index], day.seen[index + 1])


def unlike(one: Mapping[str, str], other: Mapping[str, str]) -> set[str]:
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


def parted(world: World, seen: Mapping[str, str]) -> Mapping[str, str]:
    """What is seen of `memory`, each observation by itself: two calls may each add one to an entity, and
    neither depends on the other."""
    if world.name != "memory":
        return seen
    parts = {}
    for line, what in seen.items():
        thing = json.loads(line)
        for fact in thing.pop("observations", ()):
            parts[json.dumps([thing, fact], sort_keys=True)] = what
        parts[json.dumps(thing, sort_keys=True)] = what
    return parts


def counted(day: Day, verdicts: dict[str, str]) -> None:
    COUNTS["sequences"] += 1
    COUNTS["calls"] += len(day.calls)
    COUNTS.update(verdicts.values())


@MANY
@given(rng=RANDOMS, calls=st.integers(1, 8))
def test_p1_every_call_above_compensable_comes_back(world: World, rng: Random, calls: int) -> None:
    with a_day(world, rng) as day:
        day.play(calls)
        verdicts = day.roll_back()
        now = day.look()
    counted(day, verdicts)
    back = [verdicts.get(call.call_id, "no_effect") for call in day.calls]
    if all(verdict in WHOLE for verdict in back):
        assert now == day.seen[0], back
    for index, call in enumerate(day.calls):
        stuck = [later for later in day.calls[index + 1 :] if meet(later.keys, call.keys)]
        if call.reversal.level.rank > Level.COMPENSABLE.rank and not any(
            verdicts.get(later.call_id, "no_effect") not in WHOLE for later in stuck
        ):
            assert back[index] in WHOLE, (call.record.target, call.arguments, call.reversal.why)


@MANY
@given(rng=RANDOMS, calls=st.integers(2, 8), at=st.integers(1, 7))
def test_p2_back_to_any_moment(world: World, rng: Random, calls: int, at: int) -> None:
    moment = min(at, calls - 1)
    with a_day(world, rng) as day:
        day.play(calls)
        verdicts = day.roll_back(since=day.calls[moment].created_at)
        now = day.look()
    counted(day, verdicts)
    assert verdicts.keys().isdisjoint(call.call_id for call in day.calls[:moment])
    if all(verdict in WHOLE for verdict in verdicts.values()):
        assert now == day.seen[moment], verdicts


@MANY
@given(rng=RANDOMS, calls=st.integers(1, 8), losing=st.floats(0, 0.5))
def test_p3_no_silent_loss(world: World, rng: Random, calls: int, losing: float) -> None:
    """Answers get lost, calls fail, some cannot be undone: whatever is said to be back is back."""
    chance = Random(rng.random())
    with a_day(world, rng) as day:
        for wire in day.wires.values():
            wire.losing = lambda: chance.random() < losing
        day.play(calls)
        for wire in day.wires.values():
            wire.losing = lambda: False
        verdicts = day.roll_back()
        now = day.look()
    counted(day, verdicts)
    _doubts_are_told_truly(day)
    left = set[str]()
    for index, call in enumerate(day.calls):
        if verdicts.get(call.call_id, "no_effect") not in WHOLE:
            left |= differing(day, index)
    for name in now.keys() | day.seen[0].keys():
        if name not in left:
            assert now.get(name) == day.seen[0].get(name), (name, verdicts)


def _doubts_are_told_truly(day: Day) -> None:
    for index, call in enumerate(day.calls):
        changed = bool(differing(day, index))
        if call.state in UNTOUCHED:
            assert not changed, (call.state, call.record.target, call.arguments)
        if call.run and call.lines > 2:
            COUNTS["in doubt"] += 1
            COUNTS["in doubt, settled"] += call.state not in DOUBTFUL
        elif call.state in DOUBTFUL:
            COUNTS["in doubt"] += 1


@pytest.mark.parametrize("world", ["memory"], indirect=True)
def test_p1_what_an_undo_put_in_another_order_does_not_stop_the_next(world: World) -> None:
    """Taking an entity away takes relations along that were there before it: they come back in a second step."""
    with a_day(world, Random(1)) as day:
        two = [{"name": n, "entityType": "t", "observations": ["1", "2"]} for n in ("first", "new")]
        relation = {"from": "first", "to": "new", "relationType": "knows"}
        day.call("create_entities", {"entities": two[:1]})
        day.call("create_relations", {"relations": [relation]})
        day.call("create_entities", {"entities": two})
        gone = {"entityName": "first", "observations": ["1"]}
        day.call("delete_observations", {"deletions": [gone]})
        verdicts = day.roll_back(choice="refuse")
        now = day.look()
    assert now == day.seen[0]
    assert set(verdicts.values()) == {"restored"}


@MANY
@given(rng=RANDOMS, calls=st.integers(1, 6))
def test_p4_twice_is_once(world: World, rng: Random, calls: int) -> None:
    with a_day(world, rng) as day:
        day.play(calls)
        first = day.roll_back()
        there, writes = day.look(), _writes(day)
        again = day.roll_back()
        now, written = day.look(), _writes(day)
    counted(day, first)
    assert (now, written) == (there, writes)
    for call, verdict in first.items():
        if verdict in ("restored", "compensated"):
            assert again[call] == "already"


@MANY
@given(rng=RANDOMS, parts=st.lists(st.integers(1, 4), min_size=2, max_size=4))
def test_p4_rollbacks_in_between_leave_nothing_to_conflict_with(
    world: World, rng: Random, parts: list[int]
) -> None:
    """Some calls, some of them taken back, some more calls, and at the end all of it."""
    with a_day(world, rng) as day:
        for calls in parts:
            day.play(calls)
            some = rng.sample(day.calls, rng.randint(1, len(day.calls)))
            counted(day, day.roll_back(calls=tuple(call.call_id for call in some)))
        verdicts = day.roll_back()
        now = day.look()
    if "irreversible" not in verdicts.values():
        assert all(verdict in WHOLE for verdict in verdicts.values()), verdicts
        assert now == day.seen[0]


@pytest.mark.parametrize("world", ["git"], indirect=True)
def test_p4_what_changed_nothing_is_no_conflict_when_what_was_before_is_taken_back(
    world: World,
) -> None:
    """A reset of the index, and a checkout of the branch one is on: its effect was there all along."""
    with a_day(world, Random(2**48)) as day:
        day.play(3)
        first, again = day.roll_back(), day.roll_back()
    tools = [call.record.target for call in day.calls]
    assert tools == ["git_create_branch", "git_reset", "git_checkout"]
    assert [first[call.call_id] for call in day.calls] == ["restored", "restored", "no_effect"]
    assert [again[call.call_id] for call in day.calls] == ["already", "already", "no_effect"]


@MANY
@given(rng=RANDOMS, calls=st.integers(1, 5), at=st.integers(0, 5))
def test_p5_nothing_anybody_else_wrote_is_lost(
    world: World, rng: Random, calls: int, at: int
) -> None:
    """A person works on the same things between the calls, or after them, and knows nothing of a gateway."""
    with a_day(world, rng) as day:
        day.play(min(at, calls))
        mark = PEOPLE[world.name](day, f"human-{day.run}")
        day.play(max(0, calls - at))
        there = FOUND[world.name](day, mark)
        verdicts = day.roll_back()
        found = FOUND[world.name](day, mark)
    counted(day, verdicts)
    if there:
        assert found, verdicts


@MANY
@given(rng=RANDOMS, calls=st.integers(1, 6))
def test_p8_every_call_and_every_step_is_forwarded_once(
    world: World, rng: Random, calls: int
) -> None:
    with a_day(world, rng) as day:
        day.play(calls)
        forwarded = _writes(day)
        plan = day.plan()
        day.roll_back()
        steps = _writes(day) - forwarded
    assert forwarded == len(day.calls)
    assert steps <= sum(len(entry.call.reversal.steps or ()) for entry in plan.entries)


@MANY
@given(rng=RANDOMS, calls=st.integers(2, 6), which=st.integers(0, 5))
def test_p9_undoing_one_call_touches_only_what_depends_on_it(
    world: World, rng: Random, calls: int, which: int
) -> None:
    with a_day(world, rng) as day:
        day.play(calls)
        chosen = which % calls
        closure = closed_over(day.calls, chosen)
        verdicts = day.roll_back(calls=tuple(day.calls[index].call_id for index in closure))
        then, now = [parted(world, seen) for seen in day.seen], parted(world, day.look())
    counted(day, verdicts)
    touched = set[str]().union(*(unlike(then[index], then[index + 1]) for index in closure))
    assert unlike(then[-1], now) <= touched, verdicts
    if all(verdict in WHOLE for verdict in verdicts.values()):
        for name in unlike(then[chosen], then[chosen + 1]):
            assert now.get(name) == then[chosen].get(name), (name, verdicts)


@MANY
@given(rng=RANDOMS, calls=st.integers(1, 6))
def test_p14_what_was_planned_is_what_is_done(world: World, rng: Random, calls: int) -> None:
    """The world is still: two plans are one plan, and the inverse calls are those. Which of those that go side by side
    is first nobody says; what must go in turn is restored only so."""
    with a_day(world, rng) as day:
        day.play(calls)
        plan, again = day.plan(), day.plan()
        for wire in day.wires.values():
            wire.got.clear()
        report = day.now(day.rig.rollback().execute, plan, "skip")
        made = {name: sorted(wire.got, key=repr) for name, wire in day.wires.items()}
    assert plan.digest == again.digest
    planned: dict[str, list[object]] = {name: [] for name in made}
    for entry in plan.entries:
        if entry.standing in ("ready", "waits"):
            assert report.found[entry.call.call_id].verdict in WHOLE
            for step in entry.call.reversal.steps or ():
                planned[step.server].append((step.tool, step.arguments))
        else:
            assert report.found[entry.call.call_id].verdict not in ("restored", "compensated")
    assert made == {name: sorted(steps, key=repr) for name, steps in planned.items()}


def closed_over(calls: list[Recorded], chosen: int) -> list[int]:
    """The call, and every later one that wrote where one of these did."""
    closure = [chosen]
    for later in range(chosen + 1, len(calls)):
        if calls[later].state not in UNTOUCHED and any(
            meet(calls[index].keys, calls[later].keys) for index in closure
        ):
            closure.append(later)
    return closure


def _writes(day: Day) -> int:
    return sum(len(wire.got) for wire in day.wires.values())
