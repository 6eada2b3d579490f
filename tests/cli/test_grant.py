"""`bulkhead grant` where the policy cannot be read: grants are looked at and ended, and none is given."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.home import Home, intents

INTENTS = intents(["store"], ["data"])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home.idle(tmp_path / "home", INTENTS)
    home.grant("tester", "--tier", "data")
    (home.root / "policies" / "policy.csv").write_text("p, broken\n")
    return home


def test_they_are_looked_at_and_ended(home: Home) -> None:
    [given] = json.loads(home.must("grant", "list", "--json"))
    home.must("grant", "revoke", given["id"], "--why", "test", "--as", "ada")
    assert json.loads(home.must("grant", "list", "--json")) == []


def test_what_is_left_of_one_is_told(tmp_path: Path) -> None:
    home = Home.idle(tmp_path / "home", INTENTS)
    told = home.must("grant", "show", home.grant("b", "--uses", "3", "--bytes", "40"))
    assert "for             agent:b, task test, tenant local\n" in told
    assert "left            3 uses, 40 bytes\n" in told
    assert home.must("grant", "list").endswith("  3 uses left  40 bytes left")


def test_none_is_given(home: Home) -> None:
    ran = home.run("grant", "create", "--agent", "b", "--task", "t", "--intent", "general")
    assert ran.returncode == 2
    assert "policy.csv:1" in ran.stderr
    assert len(json.loads(home.must("grant", "list", "--json"))) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"store/x": {"maxProperties": 1}, "store/x": {}}', "holds a member twice"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"\xff", "not UTF-8"),
        (b"[]", "must be a JSON object"),
        (b"", "not JSON"),
    ],
    ids=["twice", "mark", "latin", "list", "empty"],
)
def test_bounds_have_one_reading_or_none(tmp_path: Path, text: bytes, said: str) -> None:
    home = Home.idle(tmp_path / "home", INTENTS)
    (home.root / "bounds.json").write_bytes(text)
    asked = ("--agent", "b", "--task", "t", "--intent", "general", "--bounds", "bounds.json")
    ran = home.run("grant", "create", *asked)
    assert ran.returncode == 2
    assert said in ran.stderr and "bounds.json" in ran.stderr
    assert json.loads(home.must("grant", "list", "--json")) == []


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ({"store/gte": {"maxProperties": 1}}, "store/gte is nothing that tiers.yaml has"),
        ({"store/get": {"key": {"const": "a"}}}, "store/get: /key: is no keyword"),
        ({"store/get": {"properties": {"key": {"patern": "a"}}}}, "/properties/key/patern: is no"),
        ({"store/get": {"allOf": [{"items": {"maxLenght": 1}}]}}, "/allOf/items/maxLenght: is no"),
    ],
)
def test_bounds_that_would_bound_nothing_are_not_given(
    tmp_path: Path, bounds: dict[str, object], said: str
) -> None:
    home = Home.idle(tmp_path / "home", INTENTS)
    (home.root / "policies" / "tiers.yaml").write_text(
        "servers: {store: {tools: {get: {tier: data, effect: read}}}}\n"
    )
    (home.root / "bounds.json").write_text(json.dumps(bounds))
    asked = ("--agent", "b", "--task", "t", "--intent", "general", "--bounds", "bounds.json")
    ran = home.run("grant", "create", *asked)
    assert ran.returncode != 0
    assert said in ran.stderr
    assert json.loads(home.must("grant", "list", "--json")) == []


def test_a_bound_says_what_a_schema_can_say(tmp_path: Path) -> None:
    home = Home.idle(tmp_path / "home", INTENTS)
    (home.root / "policies" / "tiers.yaml").write_text(
        "servers: {store: {tools: {get: {tier: data, effect: read}}}}\n"
    )
    key = {
        "type": "string",
        "title": "Key",
        "x-why": "",
        "default": {"no": "keyword"},
        "pattern": "a",
    }
    one = {"$comment": "", "properties": {"key": key}, "if": {}, "then": {"required": ["key"]}}
    (home.root / "bounds.json").write_text(json.dumps({"store/get": one}))
    asked = ("--agent", "b", "--task", "t", "--intent", "general", "--bounds", "bounds.json")
    home.must("grant", "create", *asked)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"--agent": "Keeper"},
            "'agent:Keeper' is no agent's name: agent:, and then small letters",
        ),
        ({"--agent": "operator:ann"}, "'operator:ann' is no agent's name"),
        ({"--task": "a/b"}, "'a/b' is not a name a token can carry: letters, digits"),
    ],
    ids=["capital", "operator", "slash"],
)
def test_a_name_that_nobody_can_have_is_told_in_words(
    tmp_path: Path, wrong: dict[str, str], said: str
) -> None:
    home = Home.idle(tmp_path / "home", INTENTS)
    asked = {"--agent": "b", "--task": "t", "--intent": "general", **wrong}
    ran = home.run("grant", "create", *(word for pair in asked.items() for word in pair))
    assert ran.returncode == 2
    assert said in ran.stderr


def test_a_strict_flow_of_which_no_account_is_kept_is_not_given(tmp_path: Path) -> None:
    home = Home.idle(tmp_path / "home", INTENTS)
    asked = ("grant", "create", "--agent", "b", "--task", "t", "--intent", "general")
    ran = home.run(*asked, "--strict-flow")
    assert ran.returncode != 0
    assert "strict_flow: tiers.yaml says no flow" in ran.stderr
    assert json.loads(home.must("grant", "list", "--json")) == []
    tiers = home.root / "policies" / "tiers.yaml"
    tiers.write_text(f"flow: lax\n{tiers.read_text()}")
    assert json.loads(home.must(*asked, "--strict-flow", "--json"))["strict_flow"] is True


@pytest.mark.parametrize("command", ["grant", "approvals", "fence", "token"])
def test_a_command_loads_no_more_than_it_says(command: str) -> None:
    told = f"import sys, gateway.cli.{command}\nprint(*sys.modules)"
    words = [sys.executable, "-c", told]
    ran = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    assert {"casbin", "jsonschema", "rich", "jwt", "httpx"}.isdisjoint(ran.stdout.split())
