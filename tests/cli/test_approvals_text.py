"""What a person is told of a ticket before a word is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli import approvals_text
from gateway.journals.protect import Protector
from tests.core.test_approval import ticket


def test_whose_agent_asks_is_told_for_one_of_its_name_is_in_another_tenant_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asks = ticket(agent="agent:ann", tenant="globex")
    assert "agent:ann, tenant globex" in approvals_text.line(asks, 1)
    approvals_text.print_ticket(asks, 1)
    assert "agent:ann, tenant globex" in capsys.readouterr().out


def test_what_is_not_shown_is_counted_and_what_was_kept_can_be_opened(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    protector = Protector.open(tmp_path)
    sums = [protector.seal("a secret"), {"redacted": "0"}]
    asks = ticket(arguments={"to": {"sums": sums}}, beside={"note": protector.seal("another")})
    approvals_text.print_ticket(asks, 1)
    closed = capsys.readouterr().out
    opened = approvals_text.unsealed(asks, protector)
    assert "  3 values are not shown here; `--open` shows those that were kept\n" in closed
    assert "secret" not in closed
    assert opened.arguments == {"to": {"sums": ["a secret", {"redacted": "0"}]}}
    assert opened.beside == {"note": "another"}
