"""A host that asks for a warrant gets it, or none: never an answer that its call was not made."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.app.evidence import open_sequencer
from gateway.app.warrants import open_registry
from gateway.errors import JournalError
from gateway.evidence.giving import LiveWarrants
from gateway.evidence.warrant import Registry
from tests.journals.calls import intent, outcome
from tests.journals.writing import write


@pytest.mark.parametrize("error", [JournalError("the disk failed"), KeyError("of"), ValueError])
async def test_a_warrant_that_cannot_be_made_is_none(error: Exception) -> None:
    def failing() -> Registry:
        raise error

    assert await LiveWarrants(failing).of("call-1") is None


async def test_after_the_log_was_moved_away_and_made_anew_there_are_warrants_again(
    tmp_path: Path,
) -> None:
    await write(tmp_path / "journal.db", intent("call0001"), outcome("call0001"))
    open_sequencer(tmp_path).catch_up()
    warrants = LiveWarrants(lambda: open_registry(tmp_path))
    assert await warrants.of("call0001") is not None
    for file in tmp_path.glob("evidence.db*"):
        file.unlink()
    assert await warrants.of("call0001") is None
    open_sequencer(tmp_path).catch_up()
    assert await warrants.of("call0001") is not None
