"""P13: what the journal may not keep, or keeps no longer, takes no way back that was promised, and makes none up.

Redacted arguments: every call comes back as if they were there. Forgotten calls: they are irreversible, what
lies under them is a conflict, and whatever is said to be back is back. That every proof holds is shown in
tests/system/test_forgetting.py and tests/evidence/test_audit.py (P11).
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.app.forget import Forgetting
from gateway.core.reverse import Level
from gateway.journals.protect import Protector
from tests.faults.test_attacks import Marking
from tests.properties.test_traces import a_call
from tests.undo.rig import Policy, Rig, Store, a_rig

SEQUENCES = int(os.environ.get("BULKHEAD_TEST_SEQUENCES", "3"))
MANY = settings(
    max_examples=SEQUENCES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
CALLS = 8
WHOLE = {"restored", "compensated", "already", "no_effect", "not_applied"}
BEFORE = {"a": "0", "b": "1"}


@dataclass
class Day:
    """`seen[n]`: the world before call n."""

    store: Store = field(default_factory=lambda: Store(dict(BEFORE)))
    calls: list[str] = field(default_factory=list)
    seen: list[dict[str, str]] = field(default_factory=list)

    async def play(self, rig: Rig, chance: Random) -> None:
        for _ in range(CALLS):
            tool, arguments = a_call(chance)
            if tool == "get":
                continue
            self.seen.append(dict(self.store.records))
            self.calls.append((await rig.ask("store", tool, arguments, task="t1"))[0])
        self.seen.append(dict(self.store.records))

    def changed_by(self, call: str) -> set[str]:
        at = self.calls.index(call)
        one, other = self.seen[at], self.seen[at + 1]
        return {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


async def redacted(directory: Path, seed: int) -> tuple[Day, dict[str, str], list[Level]]:
    day, chance = Day(), Random(seed)
    policy = Marking({"put": {"/value": "redacted"}})
    async with a_rig(directory, day.store, policy) as rig:
        await day.play(rig, chance)
        made = [rig.parts.ledger.recorded(call) for call in day.calls]
        verdicts = await rig.undo(choice="skip", tasks=("t1",))
    return day, verdicts, [one.reversal.level for one in made if one is not None]


async def forgotten(directory: Path, seed: int) -> tuple[Day, dict[str, str], set[str]]:
    day, chance = Day(), Random(seed)
    async with a_rig(directory, day.store, Policy()) as rig:
        await day.play(rig, chance)
        gone = {call for call in day.calls if chance.random() < 0.25}
        assert isinstance(rig.parts.protector, Protector)
        forgetting = Forgetting(rig.journal, rig.reader, rig.parts.protector)
        rows = [row for row in map(rig.reader.call, sorted(gone)) if row is not None]
        await forgetting.forget(rows, "operator:o")
        verdicts = await rig.undo(choice="skip", tasks=("t1",))
    return day, verdicts, gone


@MANY
@given(seed=st.integers(0, 2**32))
def test_p13_redaction_takes_no_way_back(seed: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        day, verdicts, levels = asyncio.run(redacted(Path(directory), seed))
    promised = all(level.rank >= Level.COMPENSABLE.rank for level in levels)
    if promised:
        assert set(verdicts.values()) <= WHOLE
        assert day.store.records == BEFORE
    left = {call for call, verdict in verdicts.items() if verdict not in WHOLE}
    untouched = BEFORE.keys() - set[str]().union(*map(day.changed_by, left))
    assert all(day.store.records.get(key) == BEFORE[key] for key in untouched), verdicts


@MANY
@given(seed=st.integers(0, 2**32))
def test_p13_forgetting_makes_no_undo_lie(seed: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        day, verdicts, gone = asyncio.run(forgotten(Path(directory), seed))
    for call in gone & verdicts.keys():
        assert verdicts[call] not in ("restored", "compensated", "already")
        assert verdicts[call] not in WHOLE or not day.changed_by(call)
    left = {call for call, verdict in verdicts.items() if verdict not in WHOLE}
    touched = set[str]().union(*map(day.changed_by, left))
    now, keys = day.store.records, BEFORE.keys() | day.store.records.keys()
    assert all(now.get(key) == BEFORE.get(key) for key in keys - touched), verdicts
