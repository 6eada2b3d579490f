"""One run: random calls, taken back, and the world compared with what an outside look saw before.

It knows the driver and the ground.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from gateway.certify.drive import Driver, Tried
from gateway.certify.ground import Ground, Live
from gateway.certify.out_of_turn import BACK, Undone, undone
from gateway.core.record import State
from gateway.core.reverse import Level
from gateway.undo.reading import answer

MOST_CALLS: Final = 8
NOT_THERE: Final = frozenset({"no_effect", "not_applied", "already"})
STAYS: Final = frozenset({"irreversible", "in_doubt"})

Seen = Mapping[str, str]


class Wrong(Exception):
    """The world was not as claimed: the run to repeat, and what differs. No certificate."""


@dataclass
class Tally:
    """What came of all runs so far."""

    runs: int = 0
    calls: int = 0
    restored: int = 0
    compensated: int = 0
    irreversible: int = 0
    doubts: int = 0
    settled: int = 0
    cases: Counter[str] = field(default_factory=Counter)
    tried: Counter[str] = field(default_factory=Counter)
    """Tool -> how often it was called."""
    out_of_turn: Counter[tuple[str, str]] = field(default_factory=Counter)
    """A tool and that of a later call -> how often the first came back before the later one."""
    only_in_turn: str = ""
    """What went wrong in another order than the latest first: none is tried from then on."""
    idle: dict[str, str] = field(default_factory=dict)
    """Tool -> what it said when a call of it changed nothing, the last time."""

    @property
    def proven(self) -> dict[str, dict[str, int]]:
        """What a rollback may undo out of turn: nothing, if that went wrong once."""
        found: dict[str, dict[str, int]] = {}
        for (tool, later), count in sorted(self.out_of_turn.items()):
            found.setdefault(tool, {})[later] = count
        return {} if self.only_in_turn else found


@dataclass
class Run:
    """One of them, begun anew by each of its ways."""

    driver: Driver
    ground: Ground
    world: Path
    number: int
    tally: Tally
    losing: float

    async def goes_in_turn(self, rng: Random) -> None:
        """Taken back the latest first, and looked at after each. Raises `Wrong`."""
        done, seen = await self._made(rng)
        for tried in reversed(done):
            after, before = seen.pop(), seen[-1]
            if not await self._back(tried, before, after):
                return

    async def goes_in_any_order(self, rng: Random) -> bool:
        """Taken back as a rollback may do it, and looked at in the end. False: that went wrong, and is noted; so may
        the other order."""
        try:
            done, seen = await self._made(rng)
            first = self._first(done, seen)
            found = await undone(self.driver, done[first:], rng)
            self._as_before(done[first:], found, seen[first], await self._look())
        except Wrong as wrong:
            self.tally.only_in_turn = f"run {self.number}: {wrong}"
            return False
        self._count(done, seen, first, found)
        return True

    async def _made(self, rng: Random) -> tuple[list[Tried], list[Seen]]:
        """The calls, and the world before and after each. Raises `Wrong`."""
        tally = self.tally
        self.ground.begin(self.world, self.number, rng)
        seen, done = [await self._look()], list[Tried]()
        for _ in range(rng.randint(1, MOST_CALLS)):
            asked = self.ground.call(self.world, self.number, rng)
            tried = await self.driver.call(*asked, lambda: rng.random() < self.losing)
            tally.tried[tried.tool] += 1
            if tried.state is State.IN_DOUBT:
                tried = await self._settled(tried)
            elif tried.state is not State.APPLIED:
                tally.idle[tried.tool] = _short(answer(tried.outcome)["text"])
            done.append(tried)
            seen.append(await self._look())
            _as_claimed(tried, seen[-2], seen[-1])
        return done, seen

    async def _look(self) -> Seen:
        if isinstance(self.ground, Live):
            return await self.ground.look(self.driver, self.world)
        return self.ground.see(self.world, self.number)

    async def _settled(self, tried: Tried) -> Tried:
        self.tally.doubts += 1
        settled = await self.driver.probe(tried)
        self.tally.settled += settled.state is not State.IN_DOUBT
        return settled

    def _first(self, done: list[Tried], seen: list[Seen]) -> int:
        """What changed something and stays lies above all before it."""
        stay = [
            n
            for n, each in enumerate(done)
            if self.driver.known(each) in STAYS and seen[n] != seen[n + 1]
        ]
        return max(stay, default=-1) + 1

    def _as_before(self, done: list[Tried], found: Undone, before: Seen, now: Seen) -> None:
        """Raises `Wrong`. What was compensated may have left nobody knows what: then nothing is proven."""
        for number, tried in enumerate(done):
            if (verdict := found.verdicts[number]) not in BACK | NOT_THERE | STAYS:
                raise Wrong(
                    f"out of turn: {_told(tried)} of level {tried.reversal.level}: {verdict}"
                )
        if now == before:
            return
        if "compensated" not in found.verdicts.values():
            raise Wrong(f"out of turn: {_differing(before, now)} is not as before")
        found.pairs.clear()

    def _count(self, done: list[Tried], seen: list[Seen], first: int, found: Undone) -> None:
        tally = self.tally
        stays = first > 0
        tally.irreversible += stays
        tally.calls += stays + sum(seen[n] != seen[n + 1] for n in range(first, len(done)))
        for number, tried in enumerate(done[first:]):
            self._came_back(tried, found.verdicts[number])
        tally.out_of_turn.update(found.pairs)

    def _came_back(self, tried: Tried, verdict: str) -> None:
        self.tally.restored += verdict == "restored"
        self.tally.compensated += verdict == "compensated"
        if verdict in BACK:
            self.tally.cases[_case(tried)] += 1

    async def _back(self, tried: Tried, before: Seen, after: Seen) -> bool:
        """One call taken back. False when nothing before it can be: it changed something that stays."""
        changed = before != after
        self.tally.calls += changed
        verdict = await self.driver.undo(tried)
        now = await self._look()
        if verdict in NOT_THERE | {"restored"} and now != before:
            raise Wrong(
                f"{_told(tried)}: {verdict}, and {_differing(before, now)} is not as before"
            )
        if verdict in STAYS:
            if now != after:
                raise Wrong(
                    f"{_told(tried)}: {verdict}, and yet {_differing(after, now)} was changed"
                )
            self.tally.irreversible += changed
            return not changed
        if verdict not in BACK | NOT_THERE:
            raise Wrong(f"{_told(tried)} of level {tried.reversal.level}: {verdict}")
        self._came_back(tried, verdict)
        return now == before


def _as_claimed(tried: Tried, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """A call that is said to have done nothing did nothing; one that is said to have applied, something."""
    silent = tried.state in (State.NO_EFFECT, State.FAILED, State.REJECTED, State.NOT_APPLIED)
    noop = tried.pack is not None and tried.reversal.level is Level.NOOP
    if tried.pack is not None and (silent or noop) and before != after:
        what = "noop" if noop else tried.state.value
        raise Wrong(f"{_told(tried)} is said to be {what}, and changed {_differing(before, after)}")


def _told(tried: Tried) -> str:
    return f"{tried.tool} {_short(tried.arguments)} ({tried.reversal.why or tried.reversal.level})"


def _short(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 300 else f"{text[:300]}..."


def _differing(one: Mapping[str, str], other: Mapping[str, str]) -> str:
    names = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    return ", ".join(ascii(name) for name in names[:5]) or "nothing"


def _case(tried: Tried) -> str:
    """`<tool>#<n>`: by its line, which is where the case says it stands."""
    assert tried.pack is not None
    for number, case in enumerate(tried.pack.tool.cases, 1):
        if str(case.where) == tried.case:
            return f"{tried.tool}#{number}"
    return tried.tool
