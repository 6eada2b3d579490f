"""P6: kill -9 at every point of a forced undo, a held call, a task's deadline, an operator's contain and a spend.

As in test_lives.py: enumerated, and taken up by doing it again.
"""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.faults.lives import MEANT
from tests.faults.scenes import PERSON, PURSE, SHOUTS, SPENDS
from tests.faults.warm import KILLS, Warm, begun, lines, spread

SENT = "no_effect"
"""How a call stands that was sent and left nothing in the store."""
UNDER_WAY = (
    """SELECT call_id FROM event GROUP BY call_id HAVING max(kind) = 'intent' AND count(*) = 1"""
)
WHOLE = {"restored", "already", "not_applied", "no_effect"}


def world(here: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (here / "world").iterdir()}


def said(here: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((here / "said").read_text())
    return told


def killed(
    warm: Warm, tmp_path: Path, scene: str, *before: str, most: int = KILLS // 2
) -> Iterator[tuple[Path, str]]:
    """After these scenes, one life for each point of that one, ended there; and its place and name."""
    first = begun(tmp_path / "first")
    for earlier in before:
        assert warm.live(first, earlier) == 0, earlier
        (first / "points").unlink(missing_ok=True)
    if scene == "forced":
        (first / "world" / "new").write_text(PERSON)
    shutil.copytree(first, tmp_path / "whole")
    points = warm.points(tmp_path / "whole", scene)
    yield tmp_path / "whole", "alive"
    for at in spread(len(points), most):
        here = tmp_path / str(at)
        shutil.copytree(first, here)
        assert warm.live(here, scene, at) == -signal.SIGKILL, points[at - 1]
        yield here, points[at - 1]


def twice(here: Path) -> bool:
    """Was some effect had twice?"""
    done = [call for call, _, _, kind in lines(here / "effects") if kind == "ok"]
    return len(done) != len(set(done))


def test_p6_a_forced_undo_killed_at_any_point_is_made_and_can_be_undone(
    warm: Warm, tmp_path: Path
) -> None:
    for here, told in killed(warm, tmp_path, "forced", "calls"):
        if told != "alive":
            assert warm.live(here, "forced") == 0, told
        assert said(here)["verdict"] in ("restored", "already") and "new" not in world(here), told
        assert warm.live(here, "unforced") == 0, told
        assert (said(here)["verdicts"], world(here)["new"]) == (["restored"], PERSON), told
        assert not twice(here), told


def test_p6_a_held_call_killed_at_any_point_is_sent_once_or_never(
    warm: Warm, tmp_path: Path
) -> None:
    for scene, before in (("hold", ()), ("send", ("hold",))):
        for here, told in killed(warm, tmp_path / scene, scene, *before, most=KILLS // 3):
            assert warm.live(here, "send") == 0, told
            sent = [call for call, tool, _, _ in lines(here / "effects") if tool == "post"]
            states = said(here)["states"]
            assert len(sent) <= 1 and set(sent) <= states.keys(), told
            assert set(states.values()) <= {SENT, "in_doubt"}, (told, states)
            assert set(sent) >= {call for call, state in states.items() if state == SENT}, told
            assert told != "alive" or set(states.values()) == {SENT}


def test_p6_a_lease_taken_with_an_intent_is_there_with_it_and_in_nobodys_way_for_long(
    warm: Warm, tmp_path: Path
) -> None:
    for here, told in killed(warm, tmp_path, "shout"):
        if told == "alive":
            told = "\n".join(points := (here / "points").read_text().splitlines())
            assert points.count("with a lease foreseen") == SHOUTS - 2, told
        with closing(sqlite3.connect(here / "journal.db")) as file:
            left = file.execute("SELECT epoch, call_id FROM lease").fetchall()
            under_way = [call for (call,) in file.execute(UNDER_WAY)]
        # A lease that was given before its intent may be there without one.
        assert {call for _, call in left} >= {*under_way}, (told, left)
        assert warm.live(here, "shout") == 0, told
        with closing(sqlite3.connect(here / "journal.db")) as file:
            assert file.execute("SELECT * FROM lease").fetchall() == [], told
        calls, epochs = said(here)["calls"], said(here)["epochs"]
        assert epochs == sorted({*epochs}) and len(epochs) >= SHOUTS, (told, epochs)
        done = {call for call, _, _, _ in lines(here / "effects")}
        assert done <= {*calls} and not twice(here), told


def test_p6_a_deadline_killed_while_it_is_kept_is_kept(warm: Warm, tmp_path: Path) -> None:
    for here, told in killed(warm, tmp_path, "kept", "begin", "calls"):
        if told != "alive":
            assert warm.live(here, "kept") == 0, told
        assert (said(here)["stand"], world(here)) == ("undone", MEANT), (told, said(here))
        assert not twice(here), told


def test_p6_an_operators_contain_killed_at_any_point_is_done_when_it_is_done_again(
    warm: Warm, tmp_path: Path
) -> None:
    for here, told in killed(warm, tmp_path, "contain", "give", "calls"):
        if told != "alive":
            fenced = (here / "fences.jsonl").exists() and (here / "fences.jsonl").stat().st_size > 0
            assert fenced or told == "before the fence", told
            assert warm.live(here, "contain") == 0, told
        word = said(here)
        assert word["fences"] and word["grant"] == "revoked", (told, word)
        assert set(word["found"].values()) <= WHOLE and world(here) == MEANT, (told, word)
        assert not twice(here), told


def test_p6_a_budget_is_spent_with_the_intent_or_not_at_all(warm: Warm, tmp_path: Path) -> None:
    for here, told in killed(warm, tmp_path, "spend", "give"):
        assert warm.live(here, "spend") == 0, told
        word = said(here)
        assert word["used"] == word["calls"] >= SPENDS, (told, word, PURSE)
