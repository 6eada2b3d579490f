"""How a call stands is told in a word of its own, whatever it is."""

from __future__ import annotations

from gateway.cli import journal_text
from gateway.core.record import State


def test_every_state_has_a_colour_and_a_meaning() -> None:
    assert set(State) == journal_text.COLOURS.keys() == journal_text.MEANING.keys()
