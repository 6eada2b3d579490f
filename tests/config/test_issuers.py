"""`issuers` in bulkhead.yaml: what an operator can have wrong is told with its line, before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import settings
from gateway.errors import Misconfigured

HEAD = "servers: {time: {command: [x]}}\n"
GITHUB = """\
  ci:
    kind: github
    require: {repository_id: "1234"}
    agent: {value: deployer}
    tiers: [data]
"""
CORP = """\
  corp:
    issuer: https://idp.example.com
"""

ASKED = """\
    introspection:
      url: https://idp.example.com/introspect
      client_id: bulkhead
      client_secret: {file: secret}
"""
OTHER = """\
  other:
    issuer: https://other.example.com
    tenant: {value: other}
"""


def load(tmp_path: Path, issuers: str, head: str = HEAD) -> settings.Settings:
    file = tmp_path / "bulkhead.yaml"
    file.write_text(f"{head}issuers:\n{issuers}")
    return settings.load(file)


def test_an_issuer_is_one_line_where_its_tokens_say_it_all(tmp_path: Path) -> None:
    loaded = load(tmp_path, CORP)
    assert loaded.issuers["corp"].name == "https://idp.example.com"
    assert not loaded.embedded


@pytest.mark.parametrize(("word", "embedded"), [("", False), ("embedded_issuer: true\n", True)])
def test_the_embedded_issuer_is_off_beside_others_unless_asked_for(
    tmp_path: Path, word: str, embedded: bool
) -> None:
    assert load(tmp_path, CORP, HEAD + word).embedded is embedded


WRONG: dict[str, tuple[str, int | None, str]] = {
    "an unknown key": (CORP + "    audience: x\n", 5, "unknown key"),
    "an unknown key of keys": (CORP + "    keys: {uri: x}\n", 5, "unknown key"),
    "an unknown kind": ("  a:\n    kind: saml\n", 4, "kind"),
    "an algorithm with a secret": (CORP + "    algorithms: [HS256]\n", 5, "algorithms"),
    "no algorithm": (CORP + "    algorithms: []\n", 5, "algorithms"),
    "two places for keys": (
        CORP + "    keys: {url: 'https://a.example', file: x}\n",
        5,
        "one of url",
    ),
    "keys in clear": (CORP + "    keys: {url: 'http://idp.example.com'}\n", 5, "https"),
    "an issuer that is no address": ("  a:\n    issuer: urn:x\n", 4, "no address"),
    "asked in clear": (CORP + ASKED.replace("https", "http"), 6, "https"),
    "asked as nobody": (CORP + ASKED.replace("      client_id: bulkhead\n", ""), 5, "client_id"),
    "asked without proof": (
        CORP + ASKED.replace("      client_secret: {file: secret}\n", ""),
        5,
        "client_secret or private_key",
    ),
    "two proofs": (
        CORP + ASKED + "      private_key: {file: key.pem}\n",
        5,
        "client_secret or private_key",
    ),
    "believed for an hour": (CORP + ASKED + "      seconds: 3600\n", 9, "seconds"),
    "keys of tokens that are opaque": (
        CORP + ASKED + "    keys: {file: keys.json}\n",
        9,
        "keys: are for JWTs",
    ),
    "another kind that is asked": (GITHUB + ASKED, 8, "is for kind oauth"),
    "two with opaque tokens": (
        CORP + ASKED + OTHER + ASKED.replace("idp", "other"),
        12,
        "corp has some, too",
    ),
    "two that are asked at one place": (
        CORP + ASKED + OTHER + ASKED + "      tokens: jwt\n",
        13,
        "is where corp is asked",
    ),
    "an issuer in clear": ("  a:\n    issuer: http://idp.example.com\n", 4, "no address"),
    "no issuer": ("  a:\n    kind: oauth\n", 4, "needs issuer"),
    "a name no token could have": (CORP + "    agent: {value: Triage One}\n", 5, "plain name"),
    "a name in a table, too": (
        CORP + "    agent: {claim: sub, names: {a: 'role:x'}}\n",
        5,
        "plain name",
    ),
    "a tenant with a comma": (CORP + "    tenant: {value: 'a,b'}\n", 5, "plain name"),
    "a fact from nowhere": (CORP + "    task: {}\n", 5, "value or claim"),
    "a fact from two places": (CORP + "    task: {value: a, claim: b}\n", 5, "value or claim"),
    "a name table of nobody": (CORP + "    agent: {claim: sub, names: {}}\n", 5, "empty"),
    "a life of a week": (CORP + "    max_ttl: 604800\n", 5, "max_ttl"),
    "a tier that is none": (CORP + "    tiers: [root]\n", 5, "tiers"),
    "an id with a capital": ("  Corp:\n    issuer: https://idp.example.com\n", 3, "an id is"),
    "the same issuer twice": (
        CORP + "  b:\n    issuer: https://idp.example.com\n    agent: {claim: sub, before: b-}\n",
        5,
        "same issuer",
    ),
    "SPIFFE without a trust domain": (
        "  a:\n    kind: spiffe\n    agent: {value: x}\n    tiers: [data]\n    keys: {file: x}\n",
        4,
        "trust_domain",
    ),
    "a trust domain in capitals": ("  a:\n    trust_domain: Acme\n", 4, "trust_domain"),
    "a trust domain of no SPIFFE": (CORP + "    trust_domain: acme.example\n", 5, "is for"),
    "SPIFFE without keys": (
        "  a:\n    kind: spiffe\n    trust_domain: a.example\n    agent: {value: x}\n"
        "    tiers: [data]\n",
        4,
        "needs keys",
    ),
    "certificates without authorities": (
        "  a:\n    kind: mtls\n    trust_domain: a.example\n    agent: {value: x}\n"
        "    tiers: [data]\n",
        4,
        "keys.file",
    ),
    "certificates without tls": (
        "  a:\n    kind: mtls\n    trust_domain: a.example\n    agent: {value: x}\n"
        "    tiers: [data]\n    keys: {file: x}\n",
        None,
        "needs tls",
    ),
    "GitHub, open to the world": (
        "  ci:\n    kind: github\n    agent: {value: deployer}\n    tiers: [data]\n",
        4,
        "strangers",
    ),
    "GitHub by a name that can change hands": (
        "  ci:\n    kind: github\n    agent: {value: deployer}\n    tiers: [data]\n"
        "    require: {repository: acme/app}\n",
        4,
        "strangers",
    ),
    "GitHub with all it may be": (
        "  ci:\n    kind: github\n    agent: {value: d}\n    require: {repository_id: '1'}\n",
        4,
        "which tiers",
    ),
    "GitHub agents of no name": (
        "  ci:\n    kind: github\n    tiers: [data]\n    require: {repository_id: '1'}\n",
        4,
        "needs agent",
    ),
    "one agent of two issuers": (
        GITHUB + CORP,
        8,
        "could name the same agent as ci",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, name: str) -> None:
    text, line, why = WRONG[name]
    with pytest.raises(Misconfigured, match=why) as caught:
        load(tmp_path, text)
    assert caught.value.where is not None
    assert caught.value.where.line == line


APART: dict[str, str] = {
    "by tenant": CORP + "    tenant: {value: staff}\n",
    "by a beginning": CORP + "    agent: {claim: sub, before: corp-}\n",
    "by a table": CORP + "    agent: {claim: sub, names: {x: triage-1}}\n",
}


@pytest.mark.parametrize("name", APART)
def test_two_issuers_that_cannot_mean_the_same_agent_stand_side_by_side(
    tmp_path: Path, name: str
) -> None:
    assert len(load(tmp_path, GITHUB + APART[name]).issuers) == 2


@pytest.mark.parametrize(
    "other",
    [
        "    agent: {claim: sub, before: dep}\n",
        "    agent: {claim: sub, names: {x: deployer}}\n",
        "    agent: {value: deployer}\n",
        "    tenant: {value: local}\n",
        "    tenant: {claim: org}\n",
    ],
)
def test_two_issuers_that_could_mean_the_same_agent_do_not(tmp_path: Path, other: str) -> None:
    with pytest.raises(Misconfigured, match="could name the same agent"):
        load(tmp_path, GITHUB + CORP + other)


OPEN = HEAD + "listen: 0.0.0.0:8811\n"


def test_tokens_do_not_cross_a_network_in_clear(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="in clear") as caught:
        load(tmp_path, CORP, OPEN)
    assert caught.value.where is not None and caught.value.where.line == 2


@pytest.mark.parametrize(
    "word", ["public_url: https://gw.example.com\n", "tls: {certificate: a, key: b}\n"]
)
def test_beyond_loopback_with_tls_or_behind_it(tmp_path: Path, word: str) -> None:
    assert load(tmp_path, CORP, OPEN + word).origin.startswith("https://")
