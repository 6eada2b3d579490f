"""Who wrote after a call: the journal is read once for it, in whatever order calls are asked about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from gateway.core.record import State
from gateway.ports import CallRow, EventRow, JournalReader
from gateway.undo.ledger import Ledger
from gateway.undo.writers import Others, Writers
from tests.undo.rig import Store, a_rig


class Opened:
    """A journal that counts how often the lines of each call are opened."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader
        self.times: Counter[str] = Counter()

    def events(self, after: int, limit: int) -> Sequence[EventRow]:
        return self._reader.events(after, limit)

    def call(self, call_id: str) -> CallRow | None:
        return self._reader.call(call_id)

    def lines(self, call_id: str) -> Sequence[EventRow]:
        self.times[call_id] += 1
        return self._reader.lines(call_id)


async def test_calls_that_nobody_asks_for_are_not_found(tmp_path: Path) -> None:
    async with a_rig(tmp_path, Store()) as rig:
        first, own, other = [await rig.call("put", key="a", value=one) for one in "123"]
        ledger = rig.parts.ledger
        call = ledger.recorded(first)
        assert call is not None
        assert list(ledger.later_writers(call)) == [other, own]
        others = ledger.others(lambda name: name == own)
        assert list(ledger.later_writers(call, others)) == [other]
        late = await rig.call("put", key="a", value="4")
        assert list(ledger.later_writers(call, others)) == [late, other]


async def test_where_others_wrote_is_looked_up_once_for_all_calls_before_them(
    tmp_path: Path,
) -> None:
    """Two agents that write one log: 1,000 calls of each were 500,000 to be opened."""
    async with a_rig(tmp_path, Store()) as rig:
        made = [await rig.call("put", key="a", value=str(number)) for number in range(4)]
        other = await rig.call("put", key="a", value="another", task="t2")
        calls = [rig.parts.ledger.recorded(call) for call in made]
        opened = Opened(rig.parts.reader)
        ledger = Ledger(opened, rig.parts.protector)  # type: ignore[arg-type]
        others = ledger.others(lambda name: name in made)
        later = [list(ledger.later_writers(call, others)) for call in calls if call]
    assert later == [[other]] * 4
    assert opened.times[other] == 2


async def test_each_write_is_opened_once_though_the_latest_call_is_asked_about_first(
    tmp_path: Path,
) -> None:
    """As a plan does it: a rollback of 2,000 calls opened each write after them 2,000 times."""
    async with a_rig(tmp_path, Store()) as rig:
        calls = [await rig.call("put", key="a", value=str(number)) for number in range(4)]
        another = await rig.call("put", key="b", value="another")
        calls.insert(3, another)
        reader = rig.parts.reader
        intents = [line for line in reader.events(0, 1_000) if line.kind is State.INTENT]
        begun = {line.call_id: line.seq for line in intents if line.call_id in calls}
        opened = Opened(reader)
        writers = Others(Writers(opened, dict), lambda _: False)  # type: ignore[arg-type]
        later = {
            call: {wrote.call_id for wrote in writers.since(begun[call], ["store:/"])}
            for call in sorted(calls, key=lambda call: -begun[call])
        }
        late = await rig.call("put", key="a", value="last")
        first = min(calls, key=lambda call: begun[call])
        after_all = {wrote.call_id for wrote in writers.since(begun[first], ["store:/a"])}
    in_order = sorted(calls, key=lambda call: begun[call])
    for call in calls:
        assert later[call] == {*in_order[in_order.index(call) + 1 :]}
    assert after_all == {*in_order[1:], late} - {another}
    assert set(opened.times.values()) == {1}


async def test_who_asks_for_the_latest_does_not_go_through_all(tmp_path: Path) -> None:
    async with a_rig(tmp_path, Store()) as rig:
        made = [await rig.call("put", key="a", value=str(number)) for number in range(9)]
        opened = Opened(rig.parts.reader)
        ledger = Ledger(opened, rig.parts.protector)  # type: ignore[arg-type]
        call = ledger.recorded(made[0])
        assert call is not None
        opened.times.clear()
        found = [name for name, _ in zip(ledger.later_writers(call), range(2), strict=False)]
    assert found == [made[8], made[7]]
    # The intents are read once, whoever asks; what became of a call, only of those that are named.
    assert [opened.times[each] for each in made[1:6]] == [1] * 5
