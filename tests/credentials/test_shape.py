"""Values go into templates, and nothing else does."""

from __future__ import annotations

import pytest

from gateway.credential_ports import Minted, NoCredential
from gateway.credentials.shape import environment, headers

MINTED = Minted({"token": "t-{user}-1", "user": "bob"}, frozenset({"token"}), "")


def test_values_stand_in_their_places_and_are_not_templates_themselves() -> None:
    said = headers({"A": "Bearer {token}", "B": "{user}:{token}", "C": "{ x }{1}{}"}, MINTED)
    assert said == {"A": "Bearer t-{user}-1", "B": "bob:t-{user}-1", "C": "{ x }{1}{}"}


def test_a_place_nothing_fits_is_refused() -> None:
    with pytest.raises(NoCredential, match="password"):
        headers({"A": "{password}"}, MINTED)


@pytest.mark.parametrize("value", ["a\r\nX-Admin: 1", "a\0b", "ü", ""])
def test_a_value_that_could_end_its_line_is_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(NoCredential) as caught:
        headers({"A": "{token}"}, Minted({"token": value}, frozenset({"token"}), ""))
    assert value not in str(caught.value) or value == ""


def test_a_variable_may_have_lines_and_any_letters() -> None:
    """A key in PEM, say."""
    key = "-----BEGIN KEY-----\nMC4CAQAw\n-----END KEY-----"
    minted = Minted({"key": key, "word": "ümlaut"}, frozenset({"key"}), "")
    assert environment({"K": "{key}", "W": "{word}"}, minted) == {"K": key, "W": "ümlaut"}


@pytest.mark.parametrize("value", ["a\0b-and-more", "a\ud800b-and-more"])
def test_what_no_variable_can_be_is_refused(value: str) -> None:
    with pytest.raises(NoCredential, match="variable"):
        environment({"K": "{key}"}, Minted({"key": value}, frozenset({"key"}), ""))


@pytest.mark.parametrize("value", ["", "hunter2"])
def test_a_secret_too_short_to_be_found_where_it_comes_back_is_not_used(value: str) -> None:
    minted = Minted({"pin": value, "user": "bob"}, frozenset({"pin"}), "")
    for fill in (headers, environment):
        with pytest.raises(NoCredential, match="pin: no secret of at least 8") as caught:
            fill({"K": "{pin}"}, minted)
        assert "hunter2" not in str(caught.value)
        assert fill({"K": "{user}"}, minted) == {"K": "bob"}
