"""What the gateway acts by at a trade of tokens is for that trade: it is ended, however the trade went."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from gateway.config.clients import Secret
from gateway.config.credential_settings import TokenExchange
from gateway.core.credential import Account
from gateway.core.model import Tier
from gateway.credential_ports import NoCredential, Wanted
from gateway.credentials.token_exchange import Exchange

ACTING, TRADED = "a-token-of-the-gateway", "a-token-for-a-server"


class Server:
    """Gives the gateway a token, trades if `trades`, and remembers what it was told to end."""

    def __init__(self, trades: bool, ends: int) -> None:
        self._trades = trades
        self._ends = ends
        self.acted: list[str] = []
        self.ended: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        said = httpx.QueryParams(request.content.decode())
        if request.url.path == "/revoke":
            self.ended.append(said["token"])
            return httpx.Response(self._ends)
        if "actor_token" not in said:
            return _token(ACTING)
        self.acted.append(said["actor_token"])
        return _token(TRADED) if self._trades else httpx.Response(400, content=b"{}")


def _token(text: str) -> httpx.Response:
    said = {"access_token": text, "token_type": "Bearer", "expires_in": 60}
    return httpx.Response(200, content=json.dumps(said).encode())


def exchange(place: Path, server: Server, actor: Secret | None = None) -> Exchange:
    (place / "own").write_text("a-secret-of-the-gateway")
    settings = TokenExchange(
        provider="token_exchange",
        token_url="https://as.example/token",
        revocation_url="https://as.example/revoke",
        client_id="bulkhead",
        client_secret=Secret(file="own"),
        actor=actor,
    )
    made = Exchange(settings, place)
    made._endpoint._http = httpx.AsyncClient(transport=httpx.MockTransport(server))
    return made


ANN = Account("urn:an-issuer", "local", "agent:ann", "T-1", (), Tier.DATA, None)
WANTED = Wanted("lease-1", ANN, 60, token="the-agents-own")


@pytest.mark.parametrize("ends", [200, 503])
async def test_what_the_gateway_acts_by_is_ended_after_the_trade(ends: int, tmp_path: Path) -> None:
    server = Server(True, ends)
    made = exchange(tmp_path, server)
    minted = await made.issue(WANTED)
    await made.aclose()
    assert (minted.values["token"], server.acted, server.ended) == (TRADED, [ACTING], [ACTING])


async def test_and_after_one_that_was_refused(tmp_path: Path) -> None:
    server = Server(False, 200)
    made = exchange(tmp_path, server)
    with pytest.raises(NoCredential):
        await made.issue(WANTED)
    await made.aclose()
    assert server.ended == [ACTING]


async def test_an_actors_token_of_the_operators_is_not_the_gateways_to_end(tmp_path: Path) -> None:
    server = Server(True, 200)
    (tmp_path / "actor").write_text("a-token-of-the-operators")
    made = exchange(tmp_path, server, Secret(file="actor"))
    await made.issue(WANTED)
    await made.aclose()
    assert (server.acted, server.ended) == (["a-token-of-the-operators"], [])
