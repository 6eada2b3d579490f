"""The packs of this project, certified anew on the real servers, and one that is wrong and found out.

What the whole gateway promises of them is in test_undo_promises.py. Runs: BULKHEAD_TEST_SEQUENCES.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.certify.drive import Tried
from gateway.certify.trial import Wrong
from gateway.core.model import Outcome
from tests.undo.homes import SERVERS
from tests.undo.scratch import World, a_world

SEQUENCES = int(os.environ.get("BULKHEAD_TEST_SEQUENCES", "8"))


@pytest.fixture(scope="module", params=SERVERS)
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with a_world(request.param, tmp_path_factory.mktemp(request.param).resolve()) as made:
        yield made


@pytest.mark.parametrize("losing", [0.0, 0.4])
def test_the_certifying_runs_find_nothing_wrong(world: World, losing: float) -> None:
    """In doubt or not. Lost answers settle by looking, 98 of 100 and none wrongly."""
    tally = world.certify(SEQUENCES, 7, losing)
    assert tally.calls > 0
    assert tally.settled >= tally.doubts * 0.98 - (2 if SEQUENCES < 1_000 else 0)


def test_a_pack_that_is_wrong_is_found_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle sees what the server's own reads do not: one step left out, and nothing is signed."""
    from gateway.certify import drive

    original = drive.Driver.ask

    async def lazy(self: Any, server: str, tool: str, arguments: Any, *at: Any) -> Any:
        if self.undoing:
            return Outcome("ok", {"content": []})
        return await original(self, server, tool, arguments, *at)

    async def undone(self: Any, tried: Tried, *_: Any) -> Any:
        self.undoing = True
        for step in tried.reversal.steps or ():
            await self.ask(step.server, step.tool, step.arguments)
        self.undoing = False
        return "restored"

    monkeypatch.setattr(drive.Driver, "undoing", False, raising=False)
    monkeypatch.setattr(drive.Driver, "ask", lazy)
    monkeypatch.setattr(drive.Driver, "_done", undone)
    with pytest.raises(Wrong, match="is not as before"):
        world.certify(30, 11)
