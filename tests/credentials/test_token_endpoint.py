"""What an authorization server may answer, and what is repeated of it: nothing that was sent to it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.config.clients import Secret
from gateway.config.credential_settings import ClientCredentials
from gateway.credential_ports import NoCredential
from gateway.credentials.token_endpoint import MAX_BYTES, Endpoint, answer, client

SECRET = "the-gateways:own/secret%"
GRANT = {"grant_type": "client_credentials"}
GOOD = {"access_token": "a-good-access-token", "token_type": "Bearer", "expires_in": 60}


class Answers:
    """Answers with what it is given, and remembers what it was asked."""

    def __init__(self, status: int, body: Any) -> None:
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return httpx.Response(self.status, content=self.body)


@asynccontextmanager
async def endpoint(place: Path, answers: Answers, **more: Any) -> AsyncIterator[Endpoint]:
    (place / "own").write_text(SECRET)
    given: dict[str, Any] = {"client_secret": Secret(file="own"), **more}
    settings = ClientCredentials(
        provider="oauth_client_credentials",
        token_url="https://as.example/token",
        client_id="bulk:head",
        **given,
    )
    made = Endpoint(settings, place)
    await made._http.aclose()
    made._http = httpx.AsyncClient(transport=httpx.MockTransport(answers))
    try:
        yield made
    finally:
        await made.aclose()


async def test_name_and_secret_are_encoded_before_they_are_joined(tmp_path: Path) -> None:
    """RFC 6749, 2.3.1: a colon in a secret is none of the header's."""
    answers = Answers(200, GOOD)
    async with endpoint(tmp_path, answers, scope="read", resource="https://x") as made:
        token = await made.token(GRANT)
    assert (token.text, token.seconds) == ("a-good-access-token", 60)
    pair = httpx.BasicAuth("bulk%3Ahead", "the-gateways%3Aown%2Fsecret%25")
    wanted = next(pair.auth_flow(httpx.Request("GET", "https://x"))).headers["authorization"]
    (asked,) = answers.asked
    assert asked.headers["authorization"] == wanted
    assert (
        asked.content.decode()
        == "grant_type=client_credentials&scope=read&resource=https%3A%2F%2Fx"
    )


async def test_what_a_server_would_have_remembered_of_one_agent_comes_with_no_other() -> None:
    asked: list[httpx.Request] = []

    def answers(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, headers={"set-cookie": "session=a"}, content=b"{}")

    async with client("http://127.0.0.1/token") as http:
        http._transport = httpx.MockTransport(answers)
        for _ in range(2):
            await answer(http, http.build_request("POST", "http://127.0.0.1/token"))
    assert ["cookie" in each.headers for each in asked] == [False, False]


BAD: dict[str, Answers] = {
    "an error": Answers(400, {"error": "invalid_grant", "error_description": f"got {SECRET}"}),
    "an error that is none": Answers(401, {"error": f"<b>{SECRET}</b>"}),
    "no JSON": Answers(200, b"<html>"),
    "no token": Answers(200, {"token_type": "Bearer"}),
    "a token that ends its line": Answers(200, {**GOOD, "access_token": "good-token\r\nX: y"}),
    "another type of token": Answers(200, {**GOOD, "token_type": "DPoP"}),
    "no type": Answers(200, {"access_token": "a-good-access-token"}),
    "a flood": Answers(200, b"x" * (MAX_BYTES + 1)),
    "somewhere else": Answers(302, {}),
}


@pytest.mark.parametrize("what", BAD)
async def test_what_is_no_token_is_refused_and_nothing_of_it_repeated(
    what: str, tmp_path: Path
) -> None:
    async with endpoint(tmp_path, BAD[what]) as made:
        with pytest.raises(NoCredential) as caught:
            await made.token(GRANT)
    assert SECRET not in str(caught.value) and "good-token" not in str(caught.value)
    assert "got" not in str(caught.value)


@pytest.mark.parametrize(("status", "nothing"), [(400, True), (401, True), (500, False)])
async def test_after_an_error_of_the_server_nobody_says_that_nothing_was_made(
    status: int, nothing: bool, tmp_path: Path
) -> None:
    async with endpoint(tmp_path, Answers(status, {})) as made:
        with pytest.raises(NoCredential) as caught:
            await made.token(GRANT)
    assert caught.value.nothing is nothing


@pytest.mark.parametrize("seconds", [60, "60", 60.0, 60.9])
async def test_a_lifetime_may_be_written_as_text_and_have_a_fraction(
    seconds: Any, tmp_path: Path
) -> None:
    """Microsoft's older endpoints and Apigee do. Taken for unknown, it was used until it was turned away."""
    async with endpoint(tmp_path, Answers(200, {**GOOD, "expires_in": seconds})) as made:
        assert (await made.token(GRANT)).seconds == 60


@pytest.mark.parametrize("seconds", ["soon", "-60", "6e1", "٦٠", "", 6e99, -1.5, -1, 0, True, None])
async def test_a_lifetime_that_is_none_is_not_known(seconds: Any, tmp_path: Path) -> None:
    async with endpoint(tmp_path, Answers(200, {**GOOD, "expires_in": seconds})) as made:
        assert (await made.token(GRANT)).seconds is None


KEYS: dict[str, Any] = {
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "RS256": rsa.generate_private_key(65_537, 2_048),
}


@pytest.mark.parametrize("algorithm", KEYS)
async def test_a_key_proves_who_asks_and_no_secret_is_sent(algorithm: str, tmp_path: Path) -> None:
    key = KEYS[algorithm]
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(pem)
    answers = Answers(200, GOOD)
    proof = {"client_secret": None, "private_key": Secret(file="key.pem"), "key_id": "k1"}
    async with endpoint(tmp_path, answers, **proof) as made:
        await made.token(GRANT)
    (asked,) = answers.asked
    assert "authorization" not in asked.headers
    sent = dict(httpx.QueryParams(asked.content.decode()))
    said = jwt.decode(
        sent["client_assertion"],
        key.public_key(),
        algorithms=[algorithm],
        audience="https://as.example/token",
    )
    assert said["iss"] == said["sub"] == sent["client_id"] == "bulk:head"
    assert said["exp"] - said["iat"] == 60 and said["jti"]
    assert jwt.get_unverified_header(sent["client_assertion"])["kid"] == "k1"


async def test_what_is_no_key_is_refused_and_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\nnot a key at all\n")
    proof = {"client_secret": None, "private_key": Secret(file="key.pem")}
    async with endpoint(tmp_path, Answers(200, GOOD), **proof) as made:
        with pytest.raises(NoCredential, match="not a private key") as caught:
            await made.token(GRANT)
    assert "not a key at all" not in str(caught.value)
