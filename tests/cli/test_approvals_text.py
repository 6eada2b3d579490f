"""What a person is told of a ticket before a word is said."""

from __future__ import annotations

import pytest

from gateway.cli import approvals_text
from tests.core.test_approval import ticket


def test_whose_agent_asks_is_told_for_one_of_its_name_is_in_another_tenant_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asks = ticket(agent="agent:ann", tenant="globex")
    assert "agent:ann, tenant globex" in approvals_text.line(asks, 1)
    approvals_text.print_ticket(asks, 1)
    assert "agent:ann, tenant globex" in capsys.readouterr().out
