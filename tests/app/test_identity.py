"""Whom a gateway believes, by its settings: what is refused names its place in them."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from gateway.app.identity import Identities, kept_fresh, open_local
from gateway.errors import Misconfigured
from gateway.settings import load


@pytest.mark.parametrize(
    "wrong", ["listen: 192.0.2.1:8811", "listen: 127.0.0.1:8811\npublic_url: https://gate.example"]
)
def test_the_embedded_issuer_is_refused_beyond_loopback_at_its_line(
    tmp_path: Path, wrong: str
) -> None:
    file = tmp_path / "bulkhead.yaml"
    file.write_text(f"servers: {{}}\n{wrong}\nembedded_issuer: true\n")
    with pytest.raises(
        Misconfigured, match=r"bulkhead\.yaml:2: the embedded issuer serves loopback"
    ):
        open_local(load(file))


async def test_who_comes_at_once_finds_everything_begun() -> None:
    """Over stdio the only caller is there before the loop has turned."""
    begun = list[str]()

    class Kept:
        alive = True

        async def look(self) -> None:
            begun.append("looked")

        async def keep(self) -> None:
            begun.append("keeping")
            await anyio.sleep_forever()

    async with kept_fresh([Kept()]):
        assert begun == ["looked", "keeping"]


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [
        ("client_secret: {file: gone}", r"introspection: file .*gone: No such file"),
        ("client_secret: {env: NOBODY_SETS_THIS}", "introspection: variable NOBODY_SETS_THIS"),
        ("private_key: {file: bulkhead.yaml}", "not a private key in PEM"),
        ("client_secret: {file: bulkhead.yaml}, ca: bulkhead.yaml", r"introspection\.ca"),
    ],
)
def test_who_cannot_ask_about_tokens_is_told_so_at_start_with_the_line(
    tmp_path: Path, asked: str, wrong: str
) -> None:
    file = tmp_path / "bulkhead.yaml"
    url = "https://idp.example.com/ask"
    file.write_text(
        "servers: {}\nissuers:\n  corp:\n    issuer: https://idp.example.com\n"
        f"    introspection: {{url: {url}, client_id: gw, {asked}}}\n"
    )
    with pytest.raises(Misconfigured, match=rf"bulkhead\.yaml:3: .*{wrong}"):
        Identities.open(load(file))
