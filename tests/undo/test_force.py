"""What is there and could not be put back is not written over, whoever forces it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from gateway.core.reverse import Captured
from gateway.undo.changes import LARGE
from gateway.undo.force import CannotForce, forced


def test_a_record_that_is_known_by_its_digest_alone_is_not_written_over() -> None:
    now = {"film": {"kind": "file", LARGE: "aa"}, "note": {"kind": "file"}}
    world = {"changes": Captured("value", {"was": {"film": None, "note": None}, "now": now})}
    anything = cast(Any, type("Anything", (), {"reversal": type("R", (), {"pre": {}})}))
    with pytest.raises(CannotForce, match="film is more than is kept"):
        forced(anything, anything, anything, world, ())
