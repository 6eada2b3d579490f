"""`transmitters` in bulkhead.yaml: what is wrong with one is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import settings
from gateway.errors import Misconfigured

HEAD = """\
servers: {time: {command: [x]}}
issuers:
  corp: {issuer: https://idp.example.com}
  people: {issuer: https://two.example.com, agent: {claim: email, before: p-}, tenant: {value: p}}
transmitters:
"""
GOOD = "  corp: {issuer: https://idp.example.com, speaks_for: corp}\n"


def load(tmp_path: Path, text: str) -> settings.Settings:
    file = tmp_path / "bulkhead.yaml"
    file.write_text(HEAD + text)
    return settings.load(file)


def test_a_transmitter_speaks_for_one_issuer(tmp_path: Path) -> None:
    assert load(tmp_path, GOOD).transmitters["corp"].speaks_for == "corp"


WRONG: dict[str, tuple[str, str]] = {
    "for nobody": ("  a: {issuer: https://a.example}\n", "speaks_for"),
    "for somebody unknown": ("  a: {issuer: https://a.example, speaks_for: b}\n", "no id under"),
    "for agents no event can name": (
        "  a: {issuer: https://a.example, speaks_for: people}\n",
        "not named by sub",
    ),
    "without keys": ("  a: {issuer: urn:a, speaks_for: corp}\n", "no address"),
    "in clear": ("  a: {issuer: http://a.example, speaks_for: corp}\n", "no address"),
    "with a secret": (
        "  a: {issuer: https://a.example, speaks_for: corp, algorithms: [HS256]}\n",
        "algorithms",
    ),
    "with an unknown key": (
        "  a: {issuer: https://a.example, speaks_for: corp, events: []}\n",
        "unknown key",
    ),
    "of an odd name": ("  A: {issuer: https://a.example, speaks_for: corp}\n", "an id is"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, name: str) -> None:
    text, why = WRONG[name]
    with pytest.raises(Misconfigured, match=why) as caught:
        load(tmp_path, text)
    assert caught.value.where is not None and caught.value.where.line == 6


def test_the_same_transmitter_twice_is_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="same transmitter") as caught:
        load(tmp_path, GOOD + GOOD.replace("corp:", "two:"))
    assert caught.value.where is not None and caught.value.where.line == 7
