"""Addresses an operator writes: what is none is told when the file is read, not by what trips over it later."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import settings
from gateway.errors import Misconfigured


def read(tmp_path: Path, line: str) -> settings.Settings:
    file = tmp_path / "bulkhead.yaml"
    file.write_text(f"servers: {{}}\n{line}\n")
    return settings.load(file)


@pytest.mark.parametrize("port", ["65536", "99999"])
@pytest.mark.parametrize("line", ["listen: '{}'", "telemetry: {{prometheus: '{}'}}"])
def test_there_is_no_such_port(tmp_path: Path, line: str, port: str) -> None:
    with pytest.raises(Misconfigured, match=r"yaml:2: .* is not HOST:PORT"):
        read(tmp_path, line.format(f"127.0.0.1:{port}"))


@pytest.mark.parametrize(
    "origin", ["https://[bad", "https://gw:0", "https://gw:123456", "https://gw:x", "https://:8811"]
)
def test_what_cannot_be_taken_apart_is_no_origin(tmp_path: Path, origin: str) -> None:
    with pytest.raises(Misconfigured, match=r"yaml:2: public_url: "):
        read(tmp_path, f"public_url: '{origin}'")


@pytest.mark.parametrize("origin", ["https://gw.example.com", "https://[::1]:8811", "http://a:443"])
def test_an_origin_is_a_scheme_a_host_and_perhaps_a_port(tmp_path: Path, origin: str) -> None:
    assert read(tmp_path, f"public_url: '{origin}'").origin == origin


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("https://gw.example.com/", "https://gw.example.com"),
        ("https://gw.example.com:443", "https://gw.example.com"),
        ("https://[::1]:443/", "https://[::1]"),
        ("http://a:80", "http://a"),
        ("https://GW.example.com:8443", "https://gw.example.com:8443"),
    ],
)
def test_an_origin_is_what_clients_will_write(tmp_path: Path, written: str, origin: str) -> None:
    assert read(tmp_path, f"public_url: '{written}'").origin == origin


def test_an_operator_who_writes_a_path_is_told_that_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="without a path"):
        read(tmp_path, "public_url: https://gw.example.com/bulkhead")


def test_metrics_may_be_on_ipv6(tmp_path: Path) -> None:
    told = read(tmp_path, "telemetry: {prometheus: '[::1]:9464'}").telemetry
    assert told is not None and told.prometheus == "[::1]:9464"
