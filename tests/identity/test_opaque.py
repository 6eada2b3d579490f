"""Tokens an issuer is asked about: everything its answer can be wrong in, one case each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import anyio
import jwt
import pytest

from gateway.config.clients import Secret
from gateway.config.introspection import IntrospectionSettings
from gateway.config.issuers import From, IssuerSettings
from gateway.core.model import Endpoint, Evidence, Tier, WorkloadIdentity
from gateway.errors import Refused
from gateway.identity import kinds
from gateway.identity.answers import Answers
from gateway.identity.jwt import JwtVerifier
from gateway.identity.keycache import Fetched, KeyCache
from gateway.identity.profile import VerificationKey
from gateway.reasons import Reason
from tests.identity import idp

NOW = 1_800_000_000
ORIGIN = "http://127.0.0.1:8811"
ISSUER = "https://idp.example.com"
DATA, TOOL, ADMIN = (Endpoint("tier", tier) for tier in Tier)
TOKEN = "an-opaque-token"
SAID: dict[str, Any] = {
    "active": True,
    "client_id": "triage-1",
    "aud": f"{ORIGIN}/data/mcp",
    "scope": "mcp:data",
    "task": "T-42",
    "exp": NOW + 600,
}
SIGNING = idp.new_key()


class Issuer:
    """Says this of every token it is asked about, and remembers which. It was tried, and is honest."""

    def __init__(
        self, tokens: Any = "opaque", believed: float = 10, named_by: str = "client_id", **said: Any
    ) -> None:
        self.now = float(NOW)
        self.asked: list[str] = []
        self.trial = False
        self.said = {name: each for name, each in {**SAID, **said}.items() if each is not ...}
        asking = IntrospectionSettings(
            url=f"{ISSUER}/ask", client_id="gw", client_secret=Secret(env="X"), tokens=tokens
        )
        settings = IssuerSettings(
            issuer=ISSUER, introspection=asking, agent=From(claim=named_by), bound_tiers=()
        )
        self.answers = Answers("test", self._ask, believed, lambda: self.now, lambda: self.now)
        self.keys = KeyCache("test", self._keys, lambda: self.now)
        keys = None if tokens == "opaque" else self.keys
        profile = kinds.profile(settings, keys, "local", self.answers)
        self.verifier = JwtVerifier([profile], ORIGIN)

    async def _ask(self, token: str) -> Mapping[str, Any] | None:
        if self.trial:
            return None
        self.asked.append(token)
        return self.said if self.said["active"] else None

    async def _keys(self) -> Fetched:
        return Fetched({"k1": VerificationKey("ES256", SIGNING.public_key())})

    async def verified(self, evidence: Evidence) -> WorkloadIdentity:
        """As the gate does it."""
        self.trial = True
        await self.answers.look()
        self.trial = False
        keeping = asyncio.create_task(self.answers.keep())
        await asyncio.sleep(0)
        try:
            with anyio.fail_after(20):
                with pytest.raises(Refused) as caught:
                    self.verifier.verify(evidence, int(self.now))
                if caught.value.reason is not Reason.ISSUER_SILENT:
                    raise caught.value
                await self.verifier.refreshed(evidence)
            return self.verifier.verify(evidence, int(self.now))
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)


def shown(token: str = TOKEN, scheme: str = "Bearer", at: Endpoint = DATA) -> Evidence:
    return Evidence((f"{scheme} {token}",), at)


async def test_an_answer_names_who_it_is() -> None:
    who = await Issuer().verified(shown())
    assert (who.agent, who.task, who.issuer) == ("agent:triage-1", "T-42", ISSUER)
    assert who.tiers == {Tier.DATA}
    assert who.token_id.startswith("sha256:") and TOKEN not in who.token_id


async def test_a_number_that_is_the_token_itself_is_not_written_down() -> None:
    assert TOKEN not in (await Issuer(jti=TOKEN).verified(shown())).token_id
    assert (await Issuer(jti="j1").verified(shown())).token_id == "j1"


WRONG: dict[str, tuple[dict[str, Any], Reason]] = {
    "not active": ({"active": False}, Reason.BAD_TOKEN),
    "another issuer's": ({"iss": "https://evil.example"}, Reason.BAD_TOKEN),
    "an issuer that is none": ({"iss": None}, Reason.BAD_TOKEN),
    "no audience": ({"aud": ...}, Reason.BAD_TOKEN),
    "another audience": ({"aud": "https://elsewhere.example"}, Reason.WRONG_AUDIENCE),
    "another tier's": ({"aud": f"{ORIGIN}/tool/mcp"}, Reason.WRONG_AUDIENCE),
    "two of ours": (
        {"aud": [f"{ORIGIN}/data/mcp", f"{ORIGIN}/tool/mcp"]},
        Reason.WRONG_AUDIENCE,
    ),
    "no end": ({"exp": ...}, Reason.BAD_TOKEN),
    "an end as text": ({"exp": str(NOW + 60)}, Reason.BAD_TOKEN),
    "over": ({"exp": NOW - 60}, Reason.EXPIRED_TOKEN),
    "too long": ({"exp": NOW + 3_700}, Reason.BAD_TOKEN),
    "too long, since it was made": ({"iat": NOW - 3_500}, Reason.BAD_TOKEN),
    "not yet": ({"nbf": NOW + 60}, Reason.BAD_TOKEN),
    "no scope": ({"scope": ...}, Reason.INSUFFICIENT_SCOPE),
    "another scope": ({"scope": "mcp:tool"}, Reason.INSUFFICIENT_SCOPE),
    "no agent": ({"client_id": ...}, Reason.BAD_TOKEN),
    "an agent that is no name": ({"client_id": "role:admin"}, Reason.BAD_TOKEN),
    "a refresh token": ({"token_type": "refresh_token"}, Reason.BAD_TOKEN),
    "a type that is none": ({"token_type": 1}, Reason.BAD_TOKEN),
    "bound to nothing": ({"token_type": "DPoP"}, Reason.BAD_TOKEN),
    "bound in an unknown way": ({"cnf": {}}, Reason.BAD_TOKEN),
    "bound, shown as a bearer": ({"cnf": {"jkt": "A" * 43}}, Reason.BAD_TOKEN),
    "bound to a certificate": ({"cnf": {"x5t#S256": "A" * 43}}, Reason.BAD_PROOF),
    "delegated": ({"act": {"sub": "triage-1"}}, Reason.BAD_TOKEN),
}


@pytest.mark.parametrize("what", WRONG)
async def test_an_answer_is_checked_as_a_signed_token_is(what: str) -> None:
    said, reason = WRONG[what]
    with pytest.raises(Refused) as caught:
        await Issuer(**said).verified(shown())
    assert caught.value.reason is reason
    assert TOKEN not in caught.value.detail


@pytest.mark.parametrize(
    "token", ["", "a b", "a\tb", "=", "a=b", "a,b", 'a"b', "a%20b", "x" * 9_000]
)
async def test_what_no_header_may_carry_is_asked_of_nobody(token: str) -> None:
    issuer = Issuer()
    with pytest.raises(Refused) as caught:
        await issuer.verified(shown(token))
    assert caught.value.reason is Reason.BAD_TOKEN
    assert issuer.asked == []


@pytest.mark.parametrize("change", [str, lambda token: token + "==", lambda token: token[:-1]])
async def test_what_could_be_another_issuers_jwt_is_shown_to_nobody(change: Any) -> None:
    issuer = Issuer()
    theirs = jwt.encode({"iss": "https://other.example"}, SIGNING, algorithm="ES256")
    with pytest.raises(Refused) as caught:
        await issuer.verified(shown(change(theirs)))
    assert caught.value.reason is Reason.BAD_TOKEN
    assert issuer.asked == []


async def test_a_jwt_of_an_issuer_of_opaque_tokens_is_nobodys() -> None:
    issuer = Issuer()
    theirs = jwt.encode({**SAID, "iss": ISSUER}, SIGNING, algorithm="ES256")
    with pytest.raises(Refused):
        await issuer.verified(shown(theirs))
    assert issuer.asked == []


async def test_while_an_answer_is_fresh_a_caller_is_recalled_and_after_it_asked_about() -> None:
    issuer = Issuer(believed=10)
    who = await issuer.verified(shown())
    issuer.now += 9
    assert issuer.verifier.recall(shown(), int(issuer.now)) is who
    issuer.now += 1
    assert issuer.verifier.recall(shown(), int(issuer.now)) is None
    await issuer.verified(shown())
    assert issuer.asked == [TOKEN, TOKEN]


async def test_one_answer_serves_no_other_endpoint() -> None:
    issuer = Issuer()
    await issuer.verified(shown())
    assert issuer.verifier.recall(shown(at=TOOL), NOW) is None
    with pytest.raises(Refused) as caught:
        issuer.verifier.verify(shown(at=TOOL), NOW)
    assert caught.value.reason is Reason.WRONG_AUDIENCE


async def test_a_bound_token_is_good_with_a_proof_of_its_key() -> None:
    own = idp.new_key()
    issuer = Issuer(cnf={"jkt": idp.thumbprint(own)}, token_type="DPoP")
    proof = idp.proof(own, f"{ORIGIN}/data/mcp", iat=NOW, ath=idp.digest(TOKEN.encode()))
    evidence = Evidence((f"DPoP {TOKEN}",), DATA, (proof,), "POST", DATA.path)
    assert (await issuer.verified(evidence)).agent == "agent:triage-1"
    with pytest.raises(Refused) as caught:
        issuer.verifier.verify(evidence, NOW)
    assert caught.value.detail == "proof was used before"


def signed(**changes: Any) -> str:
    claims = {**SAID, "iss": ISSUER, "sub": "triage-1", "iat": NOW, "jti": "j1", **changes}
    claims = {name: each for name, each in claims.items() if name != "active" and each is not ...}
    return jwt.encode(claims, SIGNING, algorithm="ES256", headers={"typ": "at+jwt", "kid": "k1"})


async def test_a_jwt_may_be_asked_about_too_once_it_is_verified() -> None:
    issuer = Issuer("jwt", believed=10)
    await issuer.keys.look()
    token = signed()
    assert (await issuer.verified(shown(token))).token_id == "j1"
    issuer.now += 10
    issuer.said["active"] = False
    with pytest.raises(Refused) as caught:
        await issuer.verified(shown(token))
    assert caught.value.detail == "its issuer says it is not active"
    assert issuer.asked == [token, token]


@pytest.mark.parametrize(
    "token",
    [
        signed(aud="https://elsewhere.example"),
        signed(exp=NOW - 60),
        signed(scope="none"),
        signed()[:-6] + "AAAAAA",
    ],
)
async def test_nobody_is_asked_about_a_jwt_that_is_refused_anyway(token: str) -> None:
    issuer = Issuer("jwt")
    await issuer.keys.look()
    with pytest.raises(Refused):
        await issuer.verified(shown(token))
    assert issuer.asked == []


@pytest.mark.parametrize(
    "said",
    [
        {"sub": "somebody-else"},
        {"client_id": "another"},
        {"jti": "j2"},
        {"exp": NOW + 601},
        {"cnf": {"jkt": "A" * 43}},
        {"iss": "https://evil.example"},
    ],
)
async def test_an_answer_about_another_token_says_nothing_of_this_one(said: Any) -> None:
    issuer = Issuer("jwt", **said)
    await issuer.keys.look()
    with pytest.raises(Refused) as caught:
        await issuer.verified(shown(signed()))
    assert caught.value.reason is Reason.BAD_TOKEN


async def test_an_answer_may_say_more_than_the_token() -> None:
    """Keycloak has `client_id` in each answer, and `azp` in the token."""
    issuer = Issuer("jwt", named_by="azp")
    await issuer.keys.look()
    token = signed(client_id=..., azp="triage-1")
    assert (await issuer.verified(shown(token))).agent == "agent:triage-1"
