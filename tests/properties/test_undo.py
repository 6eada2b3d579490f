"""What an undo promises, on the real servers, by an oracle that does not go through the gateway.

P1 restore, P2 prefix, P3 no silent loss, P4 idempotent, P5 foreign writes survive, P9 selective. The
names are those of docs/explanation/rollback.md. Sequences: BULKHEAD_TEST_SEQUENCES, per server and
property.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.certify.drive import Tried
from gateway.certify.run import Wrong
from gateway.core.model import Outcome
from gateway.core.record import State
from gateway.core.reverse import Level, overlaps
from gateway.undo.toolpack import ToolPack
from tests.undo.homes import SERVERS
from tests.undo.scratch import Tale, World, a_world

SEQUENCES = int(os.environ.get("BULKHEAD_TEST_SEQUENCES", "8"))
WHOLE = settings(
    max_examples=SEQUENCES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    print_blob=True,
)
RANDOMS = st.integers(0, 2**48).map(Random)
# Not `st.randoms`: what is drawn then would depend on what the servers do, and hide how a run failed.
UNTOUCHED = (State.NO_EFFECT, State.FAILED, State.REJECTED, State.NOT_APPLIED)


@pytest.fixture(scope="module", params=SERVERS)
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with a_world(request.param, tmp_path_factory.mktemp(request.param).resolve()) as made:
        yield made


@WHOLE
@given(rng=RANDOMS, calls=st.integers(1, 6))
def test_p1_p2_p3_each_prefix_comes_back_or_is_said_not_to(
    world: World, rng: Random, calls: int
) -> None:
    """After each call taken back the world is what it was before that call; or the verdict says it is not."""
    tale = world.tale(rng).play(calls)
    for index in reversed(range(len(tale.calls))):
        verdict, now = tale.undo(tale.calls[index]), tale.look()
        if verdict in ("irreversible", "conflict", "in_doubt", "unverified", "failed"):
            assert verdict == "irreversible", tale.calls[index]
            assert now == tale.seen[index + 1]
            break
        if verdict == "compensated":
            continue
        assert now == tale.seen[index], (verdict, tale.calls[index])


@WHOLE
@given(rng=RANDOMS, calls=st.integers(1, 5))
def test_p4_undoing_what_is_undone_changes_nothing(world: World, rng: Random, calls: int) -> None:
    tale = world.tale(rng).play(calls)
    for tried in reversed(tale.calls):
        first, there = tale.undo(tried), tale.look()
        again = tale.undo(tried)
        assert tale.look() == there
        if first == "restored":
            assert again == "already"
        if first == "irreversible":
            break


@WHOLE
@given(rng=RANDOMS, calls=st.integers(1, 4), at=st.integers(0, 3))
def test_p5_nothing_anybody_else_wrote_is_lost(
    world: World, rng: Random, calls: int, at: int
) -> None:
    """A person works on the same things between the calls, or after them, and knows nothing of a gateway."""
    tale = world.tale(rng).play(min(at, calls))
    mark = PEOPLE[world.name](tale, f"human-{tale.run}")
    tale.play(max(0, calls - at))
    there = FOUND[world.name](tale, mark)
    verdicts = tale.roll_back()
    if there and not overwritten_by_agents(tale):
        assert FOUND[world.name](tale, mark), verdicts


@WHOLE
@given(rng=RANDOMS, calls=st.integers(2, 6), which=st.integers(0, 5))
def test_p9_undoing_one_call_touches_only_what_depends_on_it(
    world: World, rng: Random, calls: int, which: int
) -> None:
    tale = world.tale(rng).play(calls)
    chosen = which % len(tale.calls)
    closure = closed_over(tale, chosen)
    final = tale.look()
    verdicts = [tale.undo(tale.calls[index]) for index in sorted(closure, reverse=True)]
    now = tale.look()
    touched = {
        name for index in closure for name in differing(tale.seen[index], tale.seen[index + 1])
    }
    assert differing(final, now) <= touched, verdicts
    if all(verdict in ("restored", "no_effect", "not_applied") for verdict in verdicts):
        for name in differing(tale.seen[chosen], tale.seen[chosen + 1]):
            assert now.get(name) == tale.seen[chosen].get(name), (name, verdicts)


@pytest.mark.parametrize("losing", [0.0, 0.4])
def test_the_certifying_runs_find_nothing_wrong(world: World, losing: float) -> None:
    """In doubt or not. Lost answers settle by looking, 98 of 100 and none wrongly; of files all but edits."""
    tally = world.certify(SEQUENCES, 7, losing)
    assert tally.calls > 0
    share = 0.92 if world.name == "files" else 0.98
    assert tally.settled >= tally.doubts * share - (2 if SEQUENCES < 100 else 0)


def test_a_pack_that_is_wrong_is_found_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle sees what the server's own reads do not: one step left out, and nothing is signed."""
    from gateway.certify import drive

    monkeypatch.setattr(ToolPack, "verify", lambda *_: True)
    original = drive.Driver._act

    async def lazy(self: Any, server: str, tool: str, arguments: Any) -> Any:
        if self.undoing:
            return Outcome("ok", {"content": []})
        return await original(self, server, tool, arguments)

    async def undone(self: Any, tried: Tried, pack: Any) -> Any:
        self.undoing = True
        for step in tried.reversal.steps or ():
            await self._act(step.server, step.tool, step.arguments)
        self.undoing = False
        return "restored"

    monkeypatch.setattr(drive.Driver, "undoing", False, raising=False)
    monkeypatch.setattr(drive.Driver, "_act", lazy)
    monkeypatch.setattr(drive.Driver, "_done", undone)
    with pytest.raises(Wrong, match="is not as before"):
        world.certify(30, 11)


def closed_over(tale: Tale, chosen: int) -> set[int]:
    """The call, and every later one that wrote where one of these did."""
    closure = {chosen}
    for later in range(chosen + 1, len(tale.calls)):
        if tale.calls[later].state in UNTOUCHED:
            continue
        if any(meet(tale.calls[index], tale.calls[later]) for index in closure):
            closure.add(later)
    return closure


def meet(one: Tried, other: Tried) -> bool:
    mine = [lease.key for lease in one.reversal.leases]
    theirs = [lease.key for lease in other.reversal.leases]
    if not mine or not theirs:
        return True
    return any(overlaps(key, another) for key in mine for another in theirs)


def differing(one: Any, other: Any) -> set[str]:
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


def overwritten_by_agents(tale: Tale) -> bool:
    """A call after the person's that cannot be undone may have written over it: that was the call, not we."""
    return any(
        tried.reversal.level.rank < Level.COMPENSABLE.rank and tried.state not in UNTOUCHED
        for tried in tale.calls
    )


def human_file(tale: Tale, mark: str) -> str:
    """Somebody saves a file: one that is there, or a new one."""
    there = [path for path in tale.here.rglob("*") if path.is_file() and not path.is_symlink()]
    folders = [path for path in tale.here.rglob("*") if path.is_dir()] or [tale.here]
    choices = there + [folder / "human.txt" for folder in folders]
    tale.rng.choice(choices).write_bytes(mark.encode())
    return mark


def file_found(tale: Tale, mark: str) -> bool:
    return any(
        path.is_file() and path.read_bytes() == mark.encode() for path in tale.here.rglob("*")
    )


def human_entity(tale: Tale, mark: str) -> str:
    """Somebody adds a line to the graph's file."""
    path = tale.world.path / "graph.jsonl"
    line = {"type": "entity", "name": mark, "entityType": "person", "observations": ["is here"]}
    text = path.read_text().rstrip("\n")
    path.write_text(f"{text}\n{json.dumps(line)}" if text else json.dumps(line))
    return mark


def entity_found(tale: Tale, mark: str) -> bool:
    return any(mark in line for line in (tale.world.path / "graph.jsonl").read_text().split("\n"))


def human_commit(tale: Tale, mark: str) -> str:
    """Somebody commits on whatever is checked out, or stages a file, or leaves one lying there."""
    path: Path = tale.here / f"{mark}.txt"
    path.write_bytes(mark.encode())
    what = tale.rng.choice(("lies", "staged", "committed"))
    if what != "lies":
        git(tale, "add", "--", path.name)
    if what == "committed":
        git(tale, "commit", "-q", "-m", mark, "--", path.name)
    return mark


def commit_found(tale: Tale, mark: str) -> bool:
    """On a branch or at HEAD, staged, or in the working tree: a dangling object is lost."""
    reachable = git(tale, "log", "--all", "HEAD", "--format=%s", "--")
    named = git(tale, "log", "--all", "--format=%H", "--", f"{mark}.txt")
    staged = git(tale, "ls-files", "--", f"{mark}.txt")
    there = (tale.here / f"{mark}.txt").exists()
    return mark in reachable or bool(named.strip()) or bool(staged.strip()) or there


def git(tale: Tale, *words: str) -> str:
    ran = subprocess.run(["git", "-C", str(tale.here), *words], capture_output=True, timeout=60)
    return ran.stdout.decode(errors="replace")


PEOPLE = {"files": human_file, "memory": human_entity, "git": human_commit}
FOUND = {"files": file_found, "memory": entity_found, "git": commit_found}
