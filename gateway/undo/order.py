"""Which calls of a plan wait for which: all others may be undone side by side. Pure.

A pack that leaves out what its calls write would be undone wrongly in another order than the latest first, and nobody
could see it: so only what was tried out of turn, and came back, goes out of turn (`lots`). Of these calls
two go on side by side only where agents could have made them so: what each held alone when it was made (its
room) does not overlap with what the other held. A pack may hold more than it writes, as all of a graph whose server
loses one of two writes that arrive at the same time: then so does the undo.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.reverse import Recorded, overlaps, server_key
from gateway.undo.level import AnyPack
from gateway.undo.overlapping import Nearest
from gateway.undo.scope import Scope, TemplateFailed


def room(call: Recorded, pack: AnyPack, scope: Scope) -> tuple[str, ...]:
    """What it held alone, by its pack: all it wrote lies in it."""
    try:
        early = pack.early_keys(scope)
    except TemplateFailed:
        return any_room(call)
    return (*early, *(key for key in call.keys if not _is_within(key, early)))


def any_room(call: Recorded) -> tuple[str, ...]:
    """The same where no pack says it: all of its server."""
    return (*call.keys, server_key(call.record.server)) if call.keys else ()


def shared(call: Recorded, alone: Sequence[str]) -> tuple[str, ...]:
    """What it held with others: its server, if not that alone."""
    whole = server_key(call.record.server)
    return () if whole in alone else (whole,)


def behind(
    calls: Sequence[Recorded], rooms: Sequence[Sequence[str]]
) -> tuple[tuple[int, ...], ...]:
    """For each call, in the order of undoing, which before it must be done with: by their places. Those that these
    wait for in turn are left out. A call that held nothing, as one that has not been sent, waits for all before it,
    and all after it wait for it."""
    waits, near = list[tuple[int, ...]](), Nearest[int]()
    last: tuple[int, ...] = ()
    since = list[int]()
    for number, (call, alone) in enumerate(zip(calls, rooms, strict=True)):
        if not alone:
            waits.append(tuple(since) or last)
            last, since, near = (number,), [], Nearest()
            continue
        # A share of a server is as good as a resource within it that nobody else has.
        shares = (f"{each}/{call.call_id}" for each in shared(call, alone))
        footprint = (*alone, *shares)
        waits.append(tuple(near.find(footprint)) or last)
        near.add(footprint, number)
        since.append(number)
    return tuple(waits)


def lots(calls: Sequence[Recorded], may_precede: Sequence[frozenset[str] | None]) -> list[range]:
    """A plan in parts, each of which is done with before the next begins. Within one all are calls of one server, and
    each was tried before calls of all the tools above it. `may_precede` as `Planned` has it."""
    found, start = list[range](), 0
    server, above = "", set[str]()
    for number, (call, may) in enumerate(zip(calls, may_precede, strict=True)):
        if may is None:
            continue
        if above and (call.record.server != server or not above <= may):
            found.append(range(start, number))
            start, above = number, set()
        server = call.record.server
        above.add(call.record.target if may else "")  # "": no tool of that name was tried
    return [*found, range(start, len(calls))]


def _is_within(key: str, some: Sequence[str]) -> bool:
    return any(overlaps(key, each) and len(each) <= len(key) for each in some)
