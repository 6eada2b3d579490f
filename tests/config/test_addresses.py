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


@pytest.mark.parametrize("host", ["https://gw.example.com", "gw.example.com/", "*.example.com", ""])
def test_what_no_host_header_can_say_is_not_allowed_for_nothing(tmp_path: Path, host: str) -> None:
    with pytest.raises(Misconfigured, match=r"yaml:2: allowed_hosts.*is not HOST"):
        read(tmp_path, f"allowed_hosts: ['{host}']")


@pytest.mark.parametrize("host", ["gw.example.com", "GW.example.com:8443", "[::1]", "[::1]:8811"])
def test_a_host_is_a_name_and_perhaps_a_port(tmp_path: Path, host: str) -> None:
    assert read(tmp_path, f"allowed_hosts: ['{host}']").allowed_hosts == (host,)


@pytest.mark.parametrize(
    "origin", ["*", "app.example.com", "https://a.example.com/x", "https://*.a"]
)
def test_what_no_browser_says_is_not_allowed_for_nothing(tmp_path: Path, origin: str) -> None:
    with pytest.raises(Misconfigured, match=r"yaml:2: allowed_origins.*must be an origin"):
        read(tmp_path, f"allowed_origins: ['{origin}']")


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("https://App.example.com:443/", "https://app.example.com"),
        ("http://localhost:6274", "http://localhost:6274"),
        ("chrome-extension://abc", "chrome-extension://abc"),
        ("null", "null"),
    ],
)
def test_an_allowed_origin_is_what_a_browser_says(
    tmp_path: Path, written: str, origin: str
) -> None:
    assert read(tmp_path, f"allowed_origins: ['{written}']").allowed_origins == (origin,)


def test_metrics_may_be_on_ipv6(tmp_path: Path) -> None:
    told = read(tmp_path, "telemetry: {prometheus: '[::1]:9464'}").telemetry
    assert told is not None and told.prometheus == "[::1]:9464"
