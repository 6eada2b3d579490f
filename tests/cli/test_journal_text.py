"""How a call stands is told in a word of its own, whatever it is."""

from __future__ import annotations

import pytest

from gateway.cli import journal_text
from gateway.core import record
from gateway.core.record import State
from gateway.ports import CallRow
from tests.journals.calls import NOON, call_record
from tests.policy.recording import row


def test_every_state_has_a_colour_and_a_meaning() -> None:
    assert set(State) == journal_text.COLOURS.keys() == journal_text.MEANING.keys()


def test_what_the_gateway_asks_for_itself_is_told_without_a_place_it_has_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    own = call_record("own", rule="", where="for call abc", endpoint="", destination="")
    journal_text.print_story(CallRow(own, State.APPLIED, NOON, NOON, {}), ())
    told = capsys.readouterr().out
    assert "no rule, for call abc" in told
    assert all(not line.rstrip().endswith(" at") for line in told.splitlines())


def test_an_id_is_whole_also_in_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_text, "PIPED_WIDTH", 80)
    call = call_record("m72bfle3netixqrl", agent="agent:a-name-that-is-rather-long", where="W" * 40)
    journal_text.print_calls([CallRow(call, State.APPLIED, NOON, NOON, {})])
    assert "m72bfle3netixqrl" in capsys.readouterr().out


def test_the_leave_a_held_call_was_sent_with_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    entry = call_record("call1", duties="O1=approve O2=hold:5")
    held = row(record.held(entry, NOON, {"ticket": "yes-25"}))
    sent = row(record.after_hold("call1", NOON, State.INTENT, {}), 2)
    journal_text.print_story(CallRow(entry, State.INTENT, NOON, None, {}), (held, sent))
    assert "Ticket      yes-25" in capsys.readouterr().out
