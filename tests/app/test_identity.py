"""Whom a gateway believes, by its settings: what is refused names its place in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.app.identity import open_local
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
