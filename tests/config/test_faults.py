"""What is wrong in a file is said in the words of somebody who writes it, and a misspelt key is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import settings
from gateway.errors import Misconfigured
from gateway.policy import conditions, tiers

SERVER = "servers:\n  a:\n    command: [x]\n"


def said(tmp_path: Path, text: str) -> str:
    file = tmp_path / "bulkhead.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(Misconfigured) as caught:
        settings.load(file)
    return str(caught.value).removeprefix(f"{file}:")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("server: {}\n", "1: server: unknown key (is it servers?)"),
        ("servers:\n  a:\n    comand: [x]\n", "3: servers.a.comand: unknown key (is it command?)"),
        (
            SERVER + "    limits: {totl: 1}\n",
            "4: servers.a.limits.totl: unknown key (is it total?)",
        ),
        (
            SERVER + "evidence: {anchors: [{directry: x}]}\n",
            "4: evidence.anchors.0.directry: unknown key (is it directory?)",
        ),
        (SERVER + "    sealing: {}\n", "4: servers.a.sealing: unknown key"),
        (SERVER + "total: 1\n", "4: total: unknown key"),
        (
            "servers:\n  a:\n    command: x -v\n",
            "3: servers.a.command: must be a list, as in [a, b]",
        ),
        (
            SERVER + "    environment: {set: {PORT: 1}}\n",
            "4: servers.a.environment.set.PORT: must be text: a number, true and false need quotes",
        ),
        (SERVER + "limits: {sessions: many}\n", "4: limits.sessions: must be a whole number"),
        (SERVER + "limits: {sessions: 0}\n", "4: limits.sessions: must be greater than 0"),
        (SERVER + "    pin_resources: yes\n", "4: servers.a.pin_resources: must be true or false"),
        (SERVER + "    undo: x\n", "4: servers.a.undo: must be a mapping of keys to values"),
        (
            SERVER + "evidence: {warrants: all}\n",
            "4: evidence.warrants: must be 'operators' or 'hosts'",
        ),
    ],
)
def test_a_mistake_is_told_as_whoever_made_it_would_tell_it(
    tmp_path: Path, text: str, words: str
) -> None:
    assert said(tmp_path, text) == words


LENT = """servers:
  a:
    url: https://a.example/mcp
    credentials:
      - provider: static
        secret: {env: A}
      - provider: oauth_client_credentials
        token_url: https://b.example/token
        client_id: gateway
        client_secret: {env: B}
"""
FIRST, SECOND = "servers.a.credentials.0", "servers.a.credentials.1"


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ("{env: A}", "{fiel: A}", f"6: {FIRST}.secret.fiel: unknown key (is it file?)"),
        ("client_id:", "clientid:", f"9: {SECOND}.clientid: unknown key (is it client_id?)"),
        ("        client_id: gateway\n", "", f"7: {SECOND}.client_id: is missing"),
        ("client_id: gateway", "client_id: 7", f"9: {SECOND}.client_id: must be text: a number"),
        (
            "provider: static",
            "provider: sttic",
            f"5: {FIRST}.provider: 'sttic' is none of 'static', ",
        ),
        ("- provider: static\n        s", "- s", f"5: {FIRST}.provider: is missing"),
    ],
)
def test_a_part_of_one_of_several_kinds_is_told_at_its_own_line(
    tmp_path: Path, was: str, now: str, words: str
) -> None:
    assert was in LENT
    assert said(tmp_path, LENT.replace(was, now)).startswith(words)


def test_a_misspelt_key_is_told_and_not_the_one_that_is_missing_for_it(tmp_path: Path) -> None:
    file = tmp_path / "tiers.yaml"
    file.write_text("servers:\n  a:\n    tools:\n      b: {teir: data, effect: read}\n")
    with pytest.raises(Misconfigured, match=r"tiers.yaml:4: .*teir: unknown key \(is it tier\?\)"):
        tiers.read(file)


def test_a_key_below_a_name_of_the_operators_own_is_known_too(tmp_path: Path) -> None:
    file = tmp_path / "constraints.yaml"
    file.write_text("conditions:\n  a:\n    arguments:\n      b: {maxLenght: 5}\n")
    with pytest.raises(Misconfigured, match=r"unknown key \(is it maxLength\?\)"):
        conditions.read(file)


def test_no_settings_at_all_says_how_to_make_some(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="bulkhead init makes one, --config names another"):
        settings.load(tmp_path / "bulkhead.yaml")


def test_a_line_that_is_indented_otherwise_is_told_so(tmp_path: Path) -> None:
    text = "servers:\n a:\n   command: [x]\n  b: {command: [y]}\n"
    assert "look at the indentation here and above" in said(tmp_path, text)
