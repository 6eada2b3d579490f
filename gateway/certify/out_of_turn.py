"""Calls taken back as a rollback does it: in any order that undo/order.py allows, one by one or several at once.

A pack that leaves out what its calls write (a trigger, a counter, an order of records) is right when the latest goes
first, and may be wrong in another order. Nobody can read that off a pack: it is tried. It knows the driver, and no
ground.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from gateway.certify.drive import Driver, Tried
from gateway.core.reverse import Verdict
from gateway.undo import order
from gateway.undo.abreast import AT_ONCE, abreast
from gateway.undo.scope import CaptureFailed, TemplateFailed

BACK: Final = frozenset({"restored", "compensated"})


@dataclass
class Undone:
    """What came of it."""

    verdicts: dict[int, Verdict] = field(default_factory=dict)
    """By the number of the call."""
    pairs: list[tuple[str, str]] = field(default_factory=list)
    """A tool, and that of a later call which was still to be undone when the first had come back."""


async def undone(driver: Driver, calls: Sequence[Tried], rng: Random) -> Undone:
    """These calls, the earliest first as they were made. Every second time one by one: that alone shows that the
    order does not matter."""
    found = Undone(
        {n: known for n, each in enumerate(calls) if (known := driver.known(each)) is not None}
    )
    numbers = [n for n in reversed(range(len(calls))) if n not in found.verdicts]
    waits = _waits([calls[n] for n in numbers])
    places = list(range(len(numbers)))
    rng.shuffle(places)  # `abreast` begins with the lowest of all that may
    drawn = {place: ticket for ticket, place in enumerate(places)}
    begun = set[int]()

    async def one(ticket: int) -> None:
        number = numbers[places[ticket]]
        begun.add(number)
        found.verdicts[number] = verdict = await _verdict(driver, calls[number])
        if verdict in BACK:
            later = (n for n in numbers if n > number and n not in begun)
            found.pairs += [(calls[number].tool, calls[n].tool) for n in later]

    await abreast(
        [[drawn[each] for each in waits[place]] for place in places],
        rng.choice((1, AT_ONCE)),
        one,
    )
    return found


def _waits(calls: Sequence[Tried]) -> tuple[tuple[int, ...], ...]:
    recorded = [call.recorded for call in calls]
    rooms = [
        order.any_room(each) if call.pack is None else order.room(each, call.pack, call.scope)
        for each, call in zip(recorded, calls, strict=True)
    ]
    return order.behind(recorded, rooms)


async def _verdict(driver: Driver, tried: Tried) -> Verdict:
    try:
        return await driver.undo(tried)
    except (CaptureFailed, TemplateFailed):
        return "failed"
