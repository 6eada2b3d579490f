"""From claims to names: exact strings and literal beginnings, and nothing that widens by itself."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.issuers import From, IssuerSettings
from gateway.identity.naming import Reader
from gateway.identity.profile import Claimed, ClaimError

POD: dict[str, Any] = {
    "sub": "system:serviceaccount:agents:triage",
    "kubernetes.io": {
        "namespace": "agents",
        "pod": {"name": "triage-7", "uid": "5e3fd0c1-6f26-4e0d-b67b-0e3a33a3a4bb"},
        "serviceaccount": {"name": "triage", "uid": "u-1"},
    },
}
ACTED: dict[str, Any] = {"sub": "user:ada", "act": {"sub": "triage-1"}, "task": "T-1"}


def reader(**settings: Any) -> Reader:
    return Reader.of(IssuerSettings(**{"kind": "oauth", **settings}), "local")


def test_without_a_word_of_the_operators_an_oauth_token_says_it_all() -> None:
    assert reader()({"sub": "triage-1", "task": "T-1", "grant": "g1"}) == Claimed(
        "triage-1", "local", "T-1", "general", "g1"
    )


SAID: dict[str, Any] = {
    **{"sub": "triage-1", "task": "T-1", "tenant": "mine", "intent": "all", "grant": "g1"},
    **{"org": "partner", "run": "R-1", "purpose": "refund", "leave": "g2"},
}


def test_each_name_is_read_where_the_operator_says_and_nowhere_else() -> None:
    sources = {"tenant": "org", "task": "run", "intent": "purpose", "grant": "leave"}
    read = reader(**{name: From(claim=claim) for name, claim in sources.items()})
    assert read(SAID) == Claimed("triage-1", "partner", "R-1", "refund", "g2")
    for name, claim in sources.items():
        claims = {key: value for key, value in SAID.items() if key != claim}
        if name == "grant":
            assert read(claims).grant == ""
            continue
        with pytest.raises(ClaimError):
            read(claims)


def test_what_the_operator_says_outright_no_claim_changes() -> None:
    words = {"tenant": "partner", "task": "nightly", "intent": "refund", "grant": "g3"}
    read = reader(**{name: From(value=word) for name, word in words.items()})
    assert read(SAID) == Claimed("triage-1", "partner", "nightly", "refund", "g3")


def test_a_pod_is_named_by_its_service_account_and_its_task_is_its_uid() -> None:
    read = reader(
        kind="kubernetes",
        agent=From(claim="sub", names={POD["sub"]: "triage-1"}),
        require={"/kubernetes.io/namespace": "agents"},
    )
    claimed = read(POD)
    assert (claimed.agent, claimed.task) == ("triage-1", POD["kubernetes.io"]["pod"]["uid"])


def test_a_beginning_is_taken_off_and_another_put_on() -> None:
    read = reader(agent=From(claim="sub", after="spiffe://acme.example/agent/", before="mesh-"))
    claims = {"sub": "spiffe://acme.example/agent/triage", "task": "T"}
    assert read(claims).agent == "mesh-triage"


NOT_NAMED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "not listed": ({"agent": From(claim="sub", names={"a": "b"})}, {"sub": "c"}),
    "nearly listed": ({"agent": From(claim="sub", names={"a": "b"})}, {"sub": "A"}),
    "another beginning": ({"agent": From(claim="sub", after="x/")}, {"sub": "y/triage"}),
    "nothing after the beginning": ({"agent": From(claim="sub", after="x/")}, {"sub": "x/"}),
    "deeper than a name": ({"agent": From(claim="sub", after="x/")}, {"sub": "x/a/b"}),
    "a way back": ({"agent": From(claim="sub", after="x/")}, {"sub": "x/.."}),
    "a role": ({}, {"sub": "role:keeper"}),
    "upper case": ({}, {"sub": "Triage-1"}),
    "a line break": ({}, {"sub": "triage-1\n"}),
    "no claim": ({}, {}),
    "a list": ({}, {"sub": ["triage-1"]}),
    "a number": ({}, {"sub": 7}),
    "a pointer past the end": ({"agent": From(claim="/a/b")}, {"a": {}}),
    "a pointer through text": ({"agent": From(claim="/a/b")}, {"a": "b"}),
    "a task with a space": ({}, {"sub": "triage-1", "task": "T 1"}),
    "a grant that is no word": ({}, {"sub": "triage-1", "grant": "*"}),
    "a grant of null": ({}, {"sub": "triage-1", "grant": None}),
}


@pytest.mark.parametrize("name", NOT_NAMED)
def test_who_is_not_named_plainly_is_nobody(name: str) -> None:
    settings, claims = NOT_NAMED[name]
    with pytest.raises(ClaimError):
        reader(**settings)({"task": "T-1", **claims})


REQUIRED: dict[str, tuple[Any, Any, bool]] = {
    "as it must be": ("1234", "1234", True),
    "one of several": (("1", "2"), "2", True),
    "another": ("1234", "12345", False),
    "a pattern is none": ("12*", "1234", False),
    "another type": ("1", 1, False),
    "true is not 1": (1, True, False),
    "1 is not true": (True, 1, False),
    "a list that has it": ("a", ["a"], False),
    "null": ("a", None, False),
}


@pytest.mark.parametrize("name", REQUIRED)
def test_a_required_claim_is_compared_exactly_and_by_type(name: str) -> None:
    wanted, said, good = REQUIRED[name]
    read = reader(require={"repository_id": wanted})
    claims = {"sub": "triage-1", "task": "T-1", "repository_id": said}
    if good:
        assert read(claims).agent == "triage-1"
    else:
        with pytest.raises(ClaimError, match="repository_id"):
            read(claims)


def test_a_required_claim_that_is_not_there_is_a_no() -> None:
    with pytest.raises(ClaimError, match="repository_id"):
        reader(require={"repository_id": "1"})({"sub": "triage-1", "task": "T-1"})


def test_who_acts_is_the_agent_and_for_whom_is_told() -> None:
    claimed = reader(delegation=True)(ACTED)
    assert (claimed.agent, claimed.on_behalf_of) == ("triage-1", "user:ada")


def test_a_chain_of_actors_ends_with_who_acts_now() -> None:
    claims = {**ACTED, "act": {"sub": "triage-2", "act": {"sub": "triage-1", "act": {"sub": "x"}}}}
    assert reader(delegation=True)(claims).agent == "triage-2"


def test_a_delegated_token_is_refused_where_nobody_said_it_may_be_one() -> None:
    """Else the one it is for would be taken for the one who acts."""
    with pytest.raises(ClaimError, match="delegated"):
        reader()({**ACTED, "sub": "triage-1"})


CHAINS: dict[str, Any] = {
    "null": None,
    "text": "triage-1",
    "empty": {},
    "without sub": {"client_id": "triage-1"},
    "a number": {"sub": 1},
    "a list": [{"sub": "triage-1"}],
    "a broken link": {"sub": "triage-1", "act": "x"},
    "five deep": {
        "sub": "a",
        "act": {"sub": "b", "act": {"sub": "c", "act": {"sub": "d", "act": {"sub": "e"}}}},
    },
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_that_is_malformed_or_too_long_is_refused(name: str) -> None:
    with pytest.raises(ClaimError, match="act"):
        reader(delegation=True)({**ACTED, "act": CHAINS[name]})


def test_an_actor_of_another_issuer_is_nobody_here() -> None:
    claims = {**ACTED, "iss": "https://a", "act": {"iss": "https://b", "sub": "triage-1"}}
    with pytest.raises(ClaimError, match="another issuer"):
        reader(delegation=True)(claims)
    claims["act"]["iss"] = "https://a"
    assert reader(delegation=True)(claims).agent == "triage-1"


@pytest.mark.parametrize(
    ("claims", "principal"),
    [
        ({"client_id": "triage-1", "sub": "auth0|ada"}, "auth0|ada"),
        ({"client_id": "triage-1", "sub": "triage-1"}, ""),
    ],
)
def test_a_client_acts_for_whoever_logged_in_and_else_for_itself(
    claims: dict[str, Any], principal: str
) -> None:
    read = reader(agent=From(claim="client_id"), principal=From(claim="sub"))
    claimed = read({"task": "T-1", **claims})
    assert (claimed.agent, claimed.on_behalf_of) == ("triage-1", principal)


def test_a_principal_that_should_be_told_and_is_not_is_a_no() -> None:
    read = reader(agent=From(claim="client_id"), principal=From(claim="sub"))
    with pytest.raises(ClaimError, match="sub"):
        read({"task": "T-1", "client_id": "triage-1"})


@pytest.mark.parametrize("principal", [None, "", 7, "ada\x1b[31m", "ada\n", "x" * 256, "é", " "])
def test_a_principal_is_plain_text(principal: Any) -> None:
    with pytest.raises(ClaimError, match="sub"):
        reader(delegation=True)({**ACTED, "sub": principal})
