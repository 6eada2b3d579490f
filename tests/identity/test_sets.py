"""Security event tokens: what one must be to stop an agent, and that none stops anybody else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest

from gateway.config.issuers import From
from gateway.core.event import SecurityEvent
from gateway.errors import Refused
from gateway.identity.claims import LEEWAY
from gateway.identity.keyfile import KeyFile
from gateway.identity.sets import MAX_AGE, SetReader, Transmitter
from gateway.reasons import Reason
from tests.identity.idp import jwk, new_key

NOW = 1_800_000_000
HERE = "https://gw.example.com/ssf/events"
REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
DISABLED = "https://schemas.openid.net/secevent/risc/event-type/account-disabled"
VERIFY = "https://schemas.openid.net/secevent/ssf/event-type/verification"
OURS, OTHERS = new_key(), new_key()
SUBJECT = {"format": "iss_sub", "iss": "https://idp.example.com", "sub": "triage-1"}


def claims(**changes: Any) -> dict[str, Any]:
    good = {
        "iss": "https://idp.example.com/ssf",
        "aud": HERE,
        "iat": NOW,
        "jti": "e1",
        "sub_id": SUBJECT,
        "events": {REVOKED: {"event_timestamp": NOW}},
    }
    return {name: value for name, value in (good | changes).items() if value is not ...}


def signed(
    key: Any = OURS, alg: str = "ES256", header: dict[str, Any] | None = None, **said: Any
) -> str:
    head = {"typ": "secevent+jwt", "kid": "t1"} | (header or {})
    kept = {name: value for name, value in head.items() if value is not ...}
    text = jwt.encode(claims(**said), key, algorithm=alg, headers=kept)
    return text


@pytest.fixture
def reader(tmp_path: Path) -> SetReader:
    return reading(tmp_path)


def reading(path: Path, naming: From | None = None) -> SetReader:
    (path / "keys.json").write_text(json.dumps({"keys": [jwk(OURS, kid="t1")]}))
    return SetReader(
        [
            Transmitter(
                id="corp",
                issuer="https://idp.example.com/ssf",
                audience=HERE,
                algorithms=frozenset({"ES256"}),
                keys=KeyFile(path / "keys.json"),
                subjects_of="https://idp.example.com",
                naming=naming or From(claim="sub"),
            )
        ]
    )


def test_who_is_named_is_to_be_stopped(reader: SetReader) -> None:
    assert reader.read(signed(), NOW) == SecurityEvent(
        "corp", "e1", ("agent:triage-1",), "session-revoked"
    )


SUBJECTS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "in the event, as older transmitters write it": (
        {"sub_id": ..., "events": {REVOKED: {"subject": SUBJECT}}},
        ("agent:triage-1",),
    ),
    "of a user in a complex subject": (
        {
            "sub_id": {
                "format": "complex",
                "user": SUBJECT,
                "session": {"format": "opaque", "id": "s"},
            }
        },
        ("agent:triage-1",),
    ),
    "opaque": ({"sub_id": {"format": "opaque", "id": "triage-2"}}, ("agent:triage-2",)),
    "two events, two subjects": (
        {
            "events": {
                REVOKED: {"subject": SUBJECT},
                DISABLED: {"subject": {**SUBJECT, "sub": "triage-2"}},
            }
        },
        ("agent:triage-1", "agent:triage-2"),
    ),
    "of another issuer": ({"sub_id": {**SUBJECT, "iss": "https://other.example"}}, ()),
    "of a person, who is no agent": ({"sub_id": {**SUBJECT, "sub": "Ada Lovelace"}}, ()),
    "of no matter: a test of the stream": ({"events": {VERIFY: {"state": "x"}}, "sub_id": ...}, ()),
    "of an event nobody here knows": ({"events": {"https://x.example/e": {}}}, ()),
}


@pytest.mark.parametrize("name", SUBJECTS)
def test_an_event_stops_those_of_ours_it_is_about(reader: SetReader, name: str) -> None:
    said, agents = SUBJECTS[name]
    assert set(reader.read(signed(**said), NOW).agents) == set(agents)


@pytest.mark.parametrize("ahead", [-300, 31, 300])
def test_an_event_stops_its_agent_by_whichever_clock_it_was_made(
    reader: SetReader, ahead: int
) -> None:
    assert reader.read(signed(iat=NOW + ahead), NOW).agents == ("agent:triage-1",)


@pytest.mark.parametrize(
    "said",
    [
        {"exp": NOW + 60},
        {"exp": NOW - LEEWAY + 1},
        {"iat": NOW - MAX_AGE},
        {"iat": NOW + MAX_AGE},
        {"jti": "e" * 255},
        {"aud": ["https://elsewhere.example", HERE]},
    ],
    ids=lambda said: str(said)[:40],
)
def test_an_event_that_is_just_good_enough_is_not_lost(
    reader: SetReader, said: dict[str, Any]
) -> None:
    """Whom it names would go on."""
    assert reader.read(signed(**said), NOW).agents == ("agent:triage-1",)


def test_subjects_have_the_names_their_issuer_gives_its_agents(tmp_path: Path) -> None:
    mesh = reading(tmp_path, From(claim="sub", after="spiffe://acme.example/agent/"))
    subject = {"format": "uri", "uri": "spiffe://acme.example/agent/triage-1"}
    assert mesh.read(signed(sub_id=subject), NOW).agents == ("agent:triage-1",)


BAD: dict[str, tuple[Callable[[], str], Reason, str]] = {
    "by somebody else": (lambda: signed(OTHERS), Reason.BAD_TOKEN, "signature"),
    "with a key nobody knows": (
        lambda: signed(header={"kid": "t2"}),
        Reason.UNKNOWN_KEY,
        "no such key",
    ),
    "by a secret": (lambda: signed("x" * 32, "HS256"), Reason.BAD_TOKEN, "algorithm"),
    "of another transmitter": (lambda: signed(iss="https://x"), Reason.BAD_TOKEN, "unknown"),
    "of none": (lambda: signed(iss=...), Reason.BAD_TOKEN, "unknown"),
    "an access token": (lambda: signed(header={"typ": "at+jwt"}), Reason.BAD_TOKEN, "secevent"),
    "of no type": (lambda: signed(header={"typ": None}), Reason.BAD_TOKEN, "typ"),
    "with its own key": (lambda: signed(header={"jwk": jwk(OTHERS)}), Reason.BAD_TOKEN, "jwk"),
    "for another": (lambda: signed(aud="https://x"), Reason.WRONG_AUDIENCE, "not for"),
    "for nobody": (lambda: signed(aud=...), Reason.WRONG_AUDIENCE, "not for"),
    "of next month": (lambda: signed(iat=NOW + MAX_AGE + 1), Reason.BAD_TOKEN, "ahead"),
    "of last month": (lambda: signed(iat=NOW - MAX_AGE - 1), Reason.BAD_TOKEN, "older"),
    "of no time": (lambda: signed(iat=...), Reason.BAD_TOKEN, "iat"),
    "expired": (lambda: signed(exp=NOW - 31), Reason.BAD_TOKEN, "expired"),
    "of no name": (lambda: signed(jti=...), Reason.BAD_TOKEN, "jti"),
    "of an empty name": (lambda: signed(jti=""), Reason.BAD_TOKEN, "jti"),
    "of an endless name": (lambda: signed(jti="e" * 256), Reason.BAD_TOKEN, "jti"),
    "of events that are none": (lambda: signed(events=[REVOKED]), Reason.BAD_TOKEN, "events"),
    "just expired": (lambda: signed(exp=NOW - LEEWAY), Reason.BAD_TOKEN, "expired"),
    "about a name that is none": (
        lambda: signed(sub_id="triage-1"),
        Reason.BAD_TOKEN,
        "no subject",
    ),
    "about a subject in two layers": (
        lambda: signed(
            sub_id={"format": "complex", "user": {"format": "complex", "user": SUBJECT}}
        ),
        Reason.BAD_TOKEN,
        "no subject",
    ),
    "of no event": (lambda: signed(events={}), Reason.BAD_TOKEN, "events"),
    "about nobody": (lambda: signed(sub_id=...), Reason.BAD_TOKEN, "no subject"),
    "about who cannot be read": (
        lambda: signed(sub_id={"format": "did", "url": "did:x:y"}),
        Reason.BAD_TOKEN,
        "no subject",
    ),
    "no token": (lambda: "not a token", Reason.BAD_TOKEN, "three segments"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_good_event_is_refused(reader: SetReader, name: str) -> None:
    make, reason, why = BAD[name]
    with pytest.raises(Refused) as caught:
        reader.read(make(), NOW)
    assert (caught.value.reason, why in caught.value.detail) == (reason, True)
