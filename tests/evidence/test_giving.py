"""A host that asks for a warrant gets it, or none: never an answer that its call was not made."""

from __future__ import annotations

import pytest

from gateway.errors import JournalError
from gateway.evidence.giving import LiveWarrants
from gateway.evidence.warrant import Registry


@pytest.mark.parametrize("error", [JournalError("the disk failed"), KeyError("of"), ValueError])
async def test_a_warrant_that_cannot_be_made_is_none(error: Exception) -> None:
    def failing() -> Registry:
        raise error

    assert await LiveWarrants(failing).of("call-1") is None
