"""What a person is told of what was lent."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.cli import credentials_text
from gateway.core.credential import ITSELF, LeaseState
from gateway.values import replace
from tests.credentials.test_alive import LEASE


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"grants": ("g1", "g0")}, "grant g1"),
        ({"grants": (), "task": "t\x1b"}, "task t\\x1b"),
        ({"agent": ITSELF}, "for itself"),
        ({"expires_at": None}, "good until changed"),
        ({"state": LeaseState.REVOKED}, "revoked"),
    ],
    ids=str,
)
def test_a_line_says_whose_it_is_what_for_and_for_how_long(
    changes: dict[str, Any], told: str
) -> None:
    [line] = credentials_text.lines([replace(LEASE, **changes)])
    assert line.startswith(f"{LEASE.id}  ")
    assert told in line


def test_a_second_line_says_why_it_could_not_be_ended() -> None:
    _, why = credentials_text.lines([replace(LEASE, said="no \x1b answer")])
    assert why == "    no \\x1b answer"
