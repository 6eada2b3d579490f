"""What a terminal would act on is shown instead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.visible import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("höflich 日本 ✓", "höflich 日本 ✓"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("two\nlines\tand\rback", "two\\nlines\\tand\\rback"),
        ("\x85\x9b31m\x7f", "\\x85\\x9b31m\\x7f"),
        ("user\u202egnp.exe\u2066\u200b", "user\\u202egnp.exe\\u2066\\u200b"),
        ("\u2028\ufeff\ue000\ud800", "\\u2028\\ufeff\\ue000\\ud800"),
        ("\U000e0041tag", "\\U000e0041tag"),
    ],
)
def test_harmful_characters_are_shown_as_escapes(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_whatever_comes_out_is_one_printable_line(text: str) -> None:
    shown = visible(text)
    assert all(character.isprintable() or character.isspace() for character in shown)
    assert len(shown.splitlines()) <= 1
