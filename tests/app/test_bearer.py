"""A token is sent where nobody can read along, and nowhere else: whoever sends one."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.app.bearer import bearer
from gateway.errors import Misconfigured, Where
from tests.house.source import GATEWAY

VARIABLE = "BULKHEAD_SOME_TOKEN"
WHERE = Where("bulkhead.yaml", 3)


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(VARIABLE, "canary")
    return "canary"


@pytest.mark.parametrize("url", ["https://there.example.com/x", "http://127.0.0.1:9/x"])
def test_it_is_sent_to_https_and_to_this_machine(token: str, url: str) -> None:
    assert bearer(VARIABLE, url) == {"Authorization": f"Bearer {token}"}


def test_it_is_not_sent_in_clear_and_the_error_does_not_tell_it(token: str) -> None:
    with pytest.raises(Misconfigured, match="https or this machine only") as no:
        bearer(VARIABLE, "http://there.example.com/x", WHERE)
    assert (no.value.where, VARIABLE in str(no.value), token in str(no.value)) == (
        WHERE,
        True,
        False,
    )


@pytest.mark.parametrize("empty", [None, ""])
def test_without_one_nothing_is_sent_and_any_address_will_do(
    monkeypatch: pytest.MonkeyPatch, empty: str | None
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if empty is not None:
        monkeypatch.setenv(VARIABLE, empty)
    assert bearer(VARIABLE, "http://there.example.com/x") == {}


@pytest.mark.parametrize("sender", ["app/anchors.py", "cli/export.py"])
def test_the_rule_stands_in_one_place(sender: str) -> None:
    text = Path(GATEWAY, sender).read_text("utf-8")
    assert "bearer(TOKEN, " in text
    assert "Authorization" not in text
