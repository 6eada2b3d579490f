"""One test for each number of the precedence in gateway/policy/classify.py."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from gateway.core.decide import question
from gateway.core.model import Classified, Effect, JsonObject, Kind, Target, Tier
from gateway.errors import Misconfigured, Refused
from gateway.policy import PolicySnapshot
from gateway.policy.asking import Asked
from gateway.reasons import Reason
from gateway.settings import ServerSettings
from tests.policy.written import ALLOW, READER, loaded

TIERS = r"""
servers:
  git:
    tools:
      log: {tier: data, effect: read}
      lo*: {tier: admin, effect: destroy}
      prompt*: {tier: data, effect: read}
      sql:
        tier: data
        effect: read
        raise:
          - {argument: q, matches: {pattern: '(?i)\bdrop\b'}, tier: admin, effect: destroy}
          - {argument: q, unless: {pattern: '(?i)^select '}, tier: tool, effect: write}
          - {argument: q, matches: {pattern: 'comment'}, tier: data, effect: read}
      get: {tier: data, effect: read, destination: {argument: url}}
      put: {tier: tool, effect: write, destination: api.example}
    prompts:
      log: {tier: tool, effect: read}
    resources:
      file:///*: {tier: data, effect: read, arguments: {uri: redacted}}
    methods:
      x/y: {tier: admin, effect: write}
  web:
    tools:
      log: {tier: tool, effect: write}
"""


@pytest.fixture
def policy(tmp_path: Path) -> PolicySnapshot:
    servers = {"git": ServerSettings(command=("git",), destination="git.example")}
    return loaded(tmp_path, f"{ALLOW}\n{READER}\n", TIERS, servers=servers)


def classified(
    policy: PolicySnapshot, name: str, kind: Kind = "tool", server: str = "git", **arguments: Any
) -> Classified:
    return policy.classify(Asked("agent:ann", Target(server, kind, name), arguments).resolved())


def tier_of(policy: PolicySnapshot, name: str, kind: Kind = "tool", server: str = "git") -> Tier:
    return classified(policy, name, kind, server).tier


def test_1_only_the_servers_own_section_for_the_kind_counts(policy: PolicySnapshot) -> None:
    assert tier_of(policy, "log") is Tier.DATA
    assert tier_of(policy, "log", "prompt") is Tier.TOOL
    assert tier_of(policy, "log", server="web") is Tier.TOOL
    assert tier_of(policy, "file:///etc", "resource") is Tier.DATA
    assert tier_of(policy, "file:///{path}", "template") is Tier.DATA
    assert tier_of(policy, "x/y", "method") is Tier.ADMIN


def test_1_a_tool_that_imitates_another_kind_has_no_class(policy: PolicySnapshot) -> None:
    assert tier_of(policy, "promptly") is Tier.DATA
    with pytest.raises(Refused, match="imitates"):
        classified(policy, "prompt:log")


def test_2_the_first_matching_entry_decides(policy: PolicySnapshot) -> None:
    assert tier_of(policy, "log") is Tier.DATA
    assert tier_of(policy, "logs") is Tier.ADMIN


@pytest.mark.parametrize(
    "uri",
    [
        "file:///../etc/passwd",
        "file:///srv/..",
        "file:///srv/%2e%2e/etc",
        "file:///srv/%2E./etc",
        "file:///srv%2f..%2fetc",
        "file:///srv/%252e%252e/etc",
        "file:///srv\\..\\etc",
        "file:///srv/%5c..",
        "file:///srv/./x",
        "file:///srv?path=../etc",
        "file:///srv/%00",
        "file:///srv/\nx",
        "file:///srv/%6beys",
        "file:///srv/ke%79s",
        "file:///srv/%2D",
        "file:///srv/%7Eroot",
        "file:///srv/%5fx",
        "file:///srv/%30",
        "file:///srv/%256beys",
        "file:///srv/%25256Beys",
        "file:///srv//keys",
        "file:////srv/keys",
        "file://host//srv",
        "FILE:///srv/keys",
        "File:///srv/keys",
        "file:///srv/keys ",
    ],
)
def test_2_a_uri_that_climbs_is_matched_by_no_prefix(policy: PolicySnapshot, uri: str) -> None:
    with pytest.raises(Refused) as caught:
        classified(policy, uri, "resource")
    assert caught.value.reason is Reason.UNCLASSIFIED


def test_2_a_uri_that_climbs_can_be_named_exactly(tmp_path: Path) -> None:
    tiers = "servers:\n  git:\n    resources:\n      'file:///../x': {tier: tool, effect: read}\n"
    policy = loaded(tmp_path, f"{ALLOW}\n{READER}\n", tiers)
    assert tier_of(policy, "file:///../x", "resource") is Tier.TOOL
    assert tier_of(policy, "file:///../x", "template") is Tier.TOOL


@pytest.mark.parametrize(
    "uri",
    [
        "file:///srv/%2Fkeys/id",
        "file:///srv/%2f%2Fkeys",
        "file:///srv/%252Fkeys",
        "file:///srv/a%2Fkeys",
        "file:///srv/my keys",
        "file:///srv/my%2520keys",
        "file:///srv/\u00e4",
        "file:///srv/%c3%a4",
    ],
)
def test_2_a_spelling_of_what_another_entry_speaks_of_has_no_class(
    tmp_path: Path, uri: str
) -> None:
    admin = ("keys*", "a/keys*", "my%20keys*", "%C3%A4*")
    above = "".join(
        f'      "file:///srv/{name}": {{tier: admin, effect: read}}\n' for name in admin
    )
    rest = '      "file:///srv/*": {tier: data, effect: read}\n'
    policy = loaded(
        tmp_path, f"{ALLOW}\n{READER}\n", f"servers:\n  git:\n    resources:\n{above}{rest}"
    )
    assert tier_of(policy, "file:///srv/keys/id", "resource") is Tier.ADMIN
    assert tier_of(policy, "file:///srv/b%2Fkeys", "resource") is Tier.DATA
    with pytest.raises(Refused, match="may be taken for"):
        classified(policy, uri, "resource")


@pytest.mark.parametrize("uri", ["repo://a%2fb", "repo://a/b", "repo://a%252Fb"])
@pytest.mark.parametrize("name", ["repo://a%2Fb", "repo://a%2F*"])
def test_2_a_spelling_of_what_another_entry_speaks_of_encoded_has_no_class(
    tmp_path: Path, name: str, uri: str
) -> None:
    resources = f'"{name}": {{tier: admin, effect: read}}, "repo://*": {{tier: data, effect: read}}'
    tiers = f"servers: {{git: {{resources: {{{resources}}}}}}}"
    policy = loaded(tmp_path, f"{ALLOW}\n{READER}\n", tiers)
    assert tier_of(policy, "repo://b/a%2Fb", "resource") is Tier.DATA
    with pytest.raises(Refused, match="may be taken for"):
        classified(policy, uri, "resource")


def test_2_a_host_in_capitals_is_no_other_host(tmp_path: Path) -> None:
    tiers = """servers: {git: {resources: {
        "https://inner.example/*": {tier: admin, effect: read},
        "https://*": {tier: data, effect: read}}}}"""
    policy = loaded(tmp_path, f"{ALLOW}\n{READER}\n", tiers)
    assert tier_of(policy, "https://inner.example/x", "resource") is Tier.ADMIN
    assert tier_of(policy, "https://Other.example:443/x", "resource") is Tier.DATA
    for host in ("INNER.example", "ann@inner.example", "inner.example.", "inner.example:443"):
        with pytest.raises(Refused, match="may be taken for"):
            classified(policy, f"https://{host}/x", "resource")


@pytest.mark.parametrize("prefix", ["file:///My%20Docs/", "find://x?in=http://a/"])
def test_2_a_spelling_that_no_entry_speaks_of_is_not_in_the_way(
    tmp_path: Path, prefix: str
) -> None:
    tiers = f'servers: {{git: {{resources: {{"{prefix}*": {{tier: data, effect: read}}}}}}}}'
    policy = loaded(tmp_path, f"{ALLOW}\n{READER}\n", tiers)
    assert tier_of(policy, f"{prefix}a%20b", "resource") is Tier.DATA


def test_2_dots_in_a_name_are_no_steps(policy: PolicySnapshot) -> None:
    for uri in (
        "file:///srv/a..b",
        "file:///.env",
        "file:///srv/a%2Fb",
        "file:///x...",
        "file:///\u00e4",
        "file:///srv/%C3%A4%20b%25",
        "file:///srv/a%3Ab%5Bc%5D%40",
        "file:///Path?at=//x",
    ):
        assert tier_of(policy, uri, "resource") is Tier.DATA


@pytest.mark.parametrize(
    ("name", "kind", "server"),
    [
        ("push", "tool", "git"),
        ("LOG", "tool", "git"),
        ("x/z", "method", "git"),
        ("http://x", "resource", "git"),
        ("log", "prompt", "web"),
        ("log", "tool", "time"),
    ],
)
def test_3_what_has_no_entry_has_no_class(
    policy: PolicySnapshot, name: str, kind: Kind, server: str
) -> None:
    with pytest.raises(Refused) as caught:
        classified(policy, name, kind, server)
    assert caught.value.reason is Reason.UNCLASSIFIED
    with pytest.raises(Refused):
        policy.possible(Asked("agent:ann", Target(server, kind, name)).resolved())


@pytest.mark.parametrize(
    ("sql", "tier", "effect"),
    [
        ("SELECT 1", Tier.DATA, Effect.READ),
        ("UPDATE x", Tier.TOOL, Effect.WRITE),
        ("drop table x", Tier.ADMIN, Effect.DESTROY),
        ("SELECT 1; DROP TABLE x", Tier.ADMIN, Effect.DESTROY),
        ("drop table x -- comment", Tier.ADMIN, Effect.DESTROY),
    ],
)
def test_4_argument_rules_lift_and_never_lower(
    policy: PolicySnapshot, sql: str, tier: Tier, effect: Effect
) -> None:
    found = classified(policy, "sql", q=sql)
    assert (found.tier, found.effect) == (tier, effect)


@pytest.mark.parametrize("arguments", [{}, {"q": None}, {"q": ["SELECT 1"]}, {"Q": "SELECT 1"}])
def test_5_a_rule_that_cannot_be_told_applies(
    policy: PolicySnapshot, arguments: JsonObject
) -> None:
    found = classified(policy, "sql", **arguments)
    assert (found.tier, found.effect) == (Tier.ADMIN, Effect.DESTROY)


def test_5_a_rule_that_raises_applies(
    policy: PolicySnapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bool:
        raise RuntimeError("broken")

    monkeypatch.setattr("gateway.policy.classify.judge", broken)
    assert classified(policy, "sql", q="SELECT 1").tier is Tier.ADMIN


def test_6_the_destination_is_the_entrys_else_the_servers(policy: PolicySnapshot) -> None:
    assert classified(policy, "put").destination == "api.example"
    assert classified(policy, "log").destination == "git.example"
    assert classified(policy, "log", server="web").destination == "local"


def test_7_a_destination_in_an_argument_is_its_canonical_host(policy: PolicySnapshot) -> None:
    assert classified(policy, "get", url="https://API.example:443/x").destination == "api.example"
    for odd in (
        {},
        {"url": 1},
        {"url": "https://a@b.example"},
        {"url": "local"},
        {"url": "http://LOCAL./"},
    ):
        with pytest.raises(Refused) as caught:
            classified(policy, "get", **odd)
        assert caught.value.reason is Reason.UNCLASSIFIED


def test_every_class_a_call_could_have_is_possible(policy: PolicySnapshot) -> None:
    resolved = Asked("agent:ann", Target("git", "tool", "sql")).resolved()
    assert [(each.tier, each.effect) for each in policy.possible(resolved)] == [
        (Tier.DATA, Effect.READ),
        (Tier.ADMIN, Effect.DESTROY),
        (Tier.TOOL, Effect.WRITE),
    ]


def test_the_marks_are_those_of_the_entry(policy: PolicySnapshot) -> None:
    assert policy.marks(classified(policy, "file:///etc", "resource")) == {"/uri": "redacted"}
    assert policy.marks(classified(policy, "log")) == {}


FLOWING = """
flow: strict
servers:
  git:
    tools:
      log: {tier: data, effect: read, reads: private}
      look: {tier: data, effect: read, reads: [private, untrusted]}
      time: {tier: data, effect: read, reads: public, egress: true}
      put: {tier: tool, effect: write, destination: api.example}
      save: {tier: tool, effect: write, destination: api.example, egress: false}
      other: {tier: tool, effect: write, destination: local}
"""


@pytest.mark.parametrize(
    ("name", "reads", "egress"),
    [
        ("log", {"private"}, True),
        ("look", {"private", "untrusted"}, True),
        ("time", set(), True),
        ("put", {"private", "untrusted"}, True),
        ("save", {"private", "untrusted"}, False),
        ("other", {"private", "untrusted"}, False),
    ],
)
def test_8_what_is_not_said_of_a_flow_is_the_worst(
    tmp_path: Path, name: str, reads: set[str], egress: bool
) -> None:
    servers = {"git": ServerSettings(command=("git",), destination="git.example")}
    flow = classified(loaded(tmp_path, f"{ALLOW}\n{READER}\n", FLOWING, servers=servers), name).flow
    assert flow is not None
    assert flow.reads == reads
    assert (flow.egress, flow.mode) == (egress, "strict")


def test_8_without_a_flow_no_account_is_kept(policy: PolicySnapshot) -> None:
    assert classified(policy, "log").flow is None


@pytest.mark.parametrize("said", ["reads: public", "egress: false"])
def test_8_a_label_without_a_flow_is_a_mistake(tmp_path: Path, said: str) -> None:
    text = f"servers:\n  git:\n    tools:\n      log: {{tier: data, effect: read, {said}}}\n"
    with pytest.raises(Misconfigured, match=r"tiers.yaml:4: reads and egress need a flow"):
        loaded(tmp_path, f"{ALLOW}\n{READER}\n", text)


def test_names_that_agents_make_up_take_little_memory(policy: PolicySnapshot) -> None:
    """Whether they may be read or not: a body has room for four million characters of a URI."""

    def ask(number: int) -> None:
        uri = f"file:///{number}/" + "x" * 100_000
        policy.decide(question(classified(policy, uri, "resource")))

    ask(0)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(1, 101):
        ask(number)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 500_000
