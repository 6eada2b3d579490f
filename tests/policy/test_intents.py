"""intents.yaml, strictly: what a grant may be at most, and where a role is enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.model import Tier
from gateway.errors import Misconfigured
from gateway.policy import intents, tiers

PLAIN = """
standing: [data]
intents:
  triage:
    tells: Read and answer.
    tiers: [data, tool]
    tools: [git/git_log, "git/get_*"]
    destinations: ["*.example.org"]
    bounds: {git/git_log: {properties: {max_count: {maximum: 5}}}}
    seconds: 60
    uses: 3
"""


TIERS = """
servers:
  git:
    tools:
      git_log|get_*: {tier: data, effect: read}
"""


def known(tmp_path: Path) -> tiers.Tiers:
    (tmp_path / "tiers.yaml").write_text(TIERS)
    return tiers.read(tmp_path / "tiers.yaml")


def read(tmp_path: Path, text: str) -> intents.Intents:
    path = tmp_path / intents.FILE
    path.write_text(text)
    return intents.read(path, [], known(tmp_path))


def test_an_intent_is_the_most_a_grant_may_give(tmp_path: Path) -> None:
    found = read(tmp_path, PLAIN)
    terms = found.ceilings["triage"]
    assert found.standing == {Tier.DATA}
    assert terms.tiers == {Tier.DATA, Tier.TOOL}
    assert (terms.uses, terms.seconds) == (3, 60)
    assert terms.tools == ("git/git_log", "git/get_*")


def test_an_intent_may_lead_to_an_address_of_version_6(tmp_path: Path) -> None:
    found = read(tmp_path, PLAIN.replace('"*.example.org"', '"[2001:db8::1]"'))
    assert found.ceilings["triage"].destinations == ("[2001:db8::1]",)


def test_without_a_file_there_is_no_intent_and_admin_is_out_of_reach(tmp_path: Path) -> None:
    found = intents.read(tmp_path / intents.FILE, [], known(tmp_path))
    assert (found.ceilings, Tier.ADMIN in found.standing) == ({}, False)


@pytest.mark.parametrize(
    ("was", "becomes", "line", "why"),
    [
        ("standing: [data]", "standing: [admin]", 2, "admin always needs a grant"),
        ("standing: [data]", "standign: [data]", 2, "unknown key"),
        ("    seconds: 60\n", "", 4, "seconds is missing"),
        ("    tells: Read and answer.\n", "", 4, "is missing"),
        ("git/git_log,", "files/read,", 7, "no such server"),
        ("git/git_log,", '"git/*_log",', 7, "only at the end"),
        ("git/git_log,", "git_log,", 7, "is not server/tool"),
        ("uses: 3", "strict_flow: true", 11, "it needs a flow in tiers.yaml"),
        ("uses: 3", "burst: 3", 11, "it needs a per_minute"),
        ("bounds: {git/git_log:", "bounds: {git/git_logs:", 9, "git/git_logs is none of the tools"),
        ("{maximum: 5}", "{maximun: 5}", 9, "/properties/max_count/maximun: is no keyword"),
        ("properties: {max_count", "max_count: {max_count", 9, "/max_count: is no keyword"),
        ("{maximum: 5}", "{pattern: '^(?!x)'}", 9, "pattern: its pattern cannot be checked"),
        ('["*.example.org"]', '["127.1"]', 8, "in its plain form"),
        ('["*.example.org"]', '["Example.org"]', 8, "in its plain form"),
        ("uses: 3", "uses: 0", 11, "greater than 0"),
        ("uses: 3", "uses: many", 11, "must be a whole number"),
        ("maximum: 5", "maximum: five", 9, "git/git_log"),
        ('"*.example.org"', '"*.*.org"', 8, "is not a host"),
        ('"*.example.org"', '"example.org:443"', 8, "is not a host"),
    ],
)
def test_a_mistake_is_told_with_its_line(
    tmp_path: Path, was: str, becomes: str, line: int, why: str
) -> None:
    assert was in PLAIN
    with pytest.raises(Misconfigured) as caught:
        read(tmp_path, PLAIN.replace(was, becomes))
    assert why in str(caught.value)
    assert f"intents.yaml:{line}:" in str(caught.value)


def test_a_bound_of_what_tiers_do_not_have_is_a_mistake(tmp_path: Path) -> None:
    wrong = PLAIN.replace("git/git_log", "git/git_lgo")
    with pytest.raises(Misconfigured, match=r"intents.yaml:9: bounds: git/git_lgo is nothing that"):
        read(tmp_path, wrong)
    assert read(tmp_path, PLAIN.replace("git/git_log", "git/get_some")).ceilings
