"""Callers nobody could identify are on record, and cannot fill the disk."""

from __future__ import annotations

import json
from itertools import count

from gateway.core.model import Endpoint
from gateway.errors import Refused
from gateway.gate.turned_away import BURST, PAUSE, TurnedAway
from gateway.journals.memory import MemoryJournal
from gateway.reasons import Reason
from tests.test_pep import Plain

DAY = 24 * 3600 * 1_000_000


class World:
    """A clock to turn, and what was written down."""

    def __init__(self) -> None:
        self.now = DAY
        self.journal = MemoryJournal()
        ids = count(1)
        self.away = TurnedAway(
            self.journal, Plain(), lambda: self.now, lambda: f"call-{next(ids):06}"
        )

    def knock(self, times: int = 1) -> None:
        for _ in range(times):
            self.away.note(Endpoint("all"), Refused(Reason.BAD_TOKEN, "signature does not verify"))

    @property
    def details(self) -> list[str]:
        return [json.loads(event.body)["body"]["detail"] for event in self.journal.memory.events]


async def test_each_of_a_few_is_on_record_with_its_reason() -> None:
    world = World()
    world.knock(3)
    assert world.details == ["signature does not verify"] * 3


async def test_a_flood_is_counted_and_the_count_is_told_in_the_next_line() -> None:
    world = World()
    world.knock(1_000)
    written = len(world.details)
    world.now += PAUSE
    world.knock(1)
    assert written == BURST
    assert world.details[-1].endswith(f"(and {1_000 - BURST} more not written)")


async def test_a_day_of_knocking_costs_what_the_pauses_allow() -> None:
    world = World()
    for _ in range(24 * 60):
        world.now += 60_000_000
        world.knock(100)
    assert len(world.details) <= BURST + DAY / PAUSE


async def test_a_clock_set_back_stops_nothing_for_ever() -> None:
    world = World()
    world.knock(BURST)
    world.now -= DAY // 2
    world.knock(1)
    world.now += PAUSE
    world.knock(1)
    assert len(world.details) == BURST + 1
