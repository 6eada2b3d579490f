"""A token is sent where nobody can read along, and nowhere else: whoever sends one."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.app.bearer import towards
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
    assert towards(url, VARIABLE)["headers"] == {"Authorization": f"Bearer {token}"}


def test_it_is_not_sent_in_clear_and_the_error_does_not_tell_it(token: str) -> None:
    with pytest.raises(Misconfigured, match="https or this machine only") as no:
        towards("http://there.example.com/x", VARIABLE, WHERE)
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
    assert towards("http://there.example.com/x", VARIABLE)["headers"] == {}


@pytest.mark.parametrize(
    ("url", "by_proxy"), [("http://localhost:9/x", False), ("https://there.example.com/x", True)]
)
def test_on_the_way_to_this_machine_there_is_no_proxy(url: str, by_proxy: bool) -> None:
    """It would get the token in clear."""
    assert towards(url, VARIABLE)["trust_env"] is by_proxy


def test_what_is_no_address_is_said_to_be_none() -> None:
    with pytest.raises(Misconfigured, match="Invalid port") as no:
        towards("http://there.example.com:port/x", VARIABLE, WHERE)
    assert no.value.where == WHERE


@pytest.mark.parametrize("sender", ["app/anchors.py", "cli/export.py"])
def test_the_rule_stands_in_one_place(sender: str) -> None:
    text = Path(GATEWAY, sender).read_text("utf-8")
    assert "**towards(" in text
    assert "Authorization" not in text
