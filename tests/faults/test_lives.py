"""P6: kill -9 at every point of a call, and of its rollback, and of the rollback after that: the same verdicts.

The points are enumerated: before and after every lease, every line of the journal and every call of the
tool server. BULKHEAD_TEST_KILLS: how many processes are killed; a campaign kills every one of them at every
point, and those who take up the work as well.
"""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from itertools import product
from pathlib import Path

from tests.faults.lives import CALLS, MEANT
from tests.faults.warm import KILLS, Warm, begun, lines, spread

WHOLE = {"restored", "already", "not_applied"}
SETTLED = {"applied", "not_applied"}


def holds(here: Path, told: str) -> Counter[str]:
    """What must be so after any death, once somebody has taken the work up. Verdicts, counted."""
    said = json.loads((here / "said").read_text())
    world = {path.name: path.read_text() for path in (here / "world").iterdir()}
    assert world == MEANT, (told, said)
    assert set(said["verdicts"].values()) <= WHOLE, (told, said)
    done = [call for call, _, _, kind in lines(here / "effects") if kind == "ok"]
    # Nothing was done twice, and nothing that is not on record.
    assert len(done) == len(set(done)), told
    assert set(done) <= said["states"].keys(), told
    mine = {call: said["states"][call] for call in said["verdicts"]}
    assert set(mine.values()) <= SETTLED, (told, mine)
    for call, state in mine.items():
        assert (state == "applied") == (call in done), (told, call, state)
    # What the agent was told is so.
    heard = [number for number, well in lines(here / "heard") if well]
    assert len(heard) <= sum(state == "applied" for state in mine.values()), told
    return Counter(said["verdicts"].values())


def test_p6_a_call_killed_at_any_point_is_settled_as_it_was_and_undone(
    warm: Warm, tmp_path: Path
) -> None:
    points = warm.points(begun(tmp_path / "whole"), "calls")
    assert len(points) >= 20 * len(CALLS)
    verdicts, kills = Counter[str](), 0
    for at in spread(len(points), KILLS):
        here = begun(tmp_path / str(at))
        assert warm.live(here, "calls", at) == -signal.SIGKILL
        assert warm.live(here, "rollback") == 0
        verdicts += holds(here, points[at - 1])
        kills += 1
    assert verdicts["restored"] > 0
    sys.stdout.write(f"\n{kills} kills in calls ({len(points)} points): {dict(verdicts)}\n")


def test_p6_a_rollback_killed_at_any_point_ends_as_if_it_had_not_been(
    warm: Warm, tmp_path: Path
) -> None:
    whole = begun(tmp_path / "whole")
    assert warm.live(whole, "calls") == 0
    (whole / "points").unlink()
    points = warm.points(whole, "rollback")
    alive = holds(whole, "alive")
    assert alive == {"restored": len(CALLS)}
    verdicts, kills = Counter[str](), 0
    for at in spread(len(points), KILLS):
        here = begun(tmp_path / str(at))
        assert warm.live(here, "calls") == 0
        assert warm.live(here, "rollback", at) == -signal.SIGKILL
        assert warm.live(here, "rollback") == 0
        verdicts += holds(here, points[at - 1])
        kills += 1
    assert sum(verdicts.values()) == kills * len(CALLS)
    sys.stdout.write(f"\n{kills} kills in rollbacks ({len(points)} points): {dict(verdicts)}\n")


def test_p6_killed_again_while_the_work_is_taken_up(warm: Warm, tmp_path: Path) -> None:
    """Both deaths at enumerated points: as many pairs as there are kills to spend."""
    first = len(warm.points(begun(tmp_path / "whole"), "calls"))
    (tmp_path / "whole" / "points").unlink()
    second = len(warm.points(tmp_path / "whole", "rollback"))
    pairs = list(product(range(1, first + 1), range(1, second + 1)))
    verdicts, kills = Counter[str](), 0
    for index in spread(len(pairs), KILLS // 2):
        here = begun(tmp_path / f"pair-{index}")
        one, two = pairs[index - 1]
        assert warm.live(here, "calls", one) == -signal.SIGKILL
        died = warm.live(here, "rollback", two)
        assert died in (0, -signal.SIGKILL)  # less was done, so there are fewer points
        assert warm.live(here, "rollback") == 0
        verdicts += holds(here, f"{one}, then {two}")
        kills += 1 + (died != 0)
    sys.stdout.write(f"\n{kills} kills, one after the other: {dict(verdicts)}\n")
