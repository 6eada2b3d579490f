"""The SDK's pure modules, and nothing else of it, in a process that serves."""

from __future__ import annotations

import subprocess
import sys

from mcp.shared.inbound import ERROR_CODE_HTTP_STATUS
from mcp.shared.uri_template import UriTemplate

from gateway.sdk import inbound, uri_template


def test_they_say_what_the_sdk_says() -> None:
    assert inbound.ERROR_CODE_HTTP_STATUS == ERROR_CODE_HTTP_STATUS
    theirs = UriTemplate.parse("x://t/{id}").match("x://t/1")
    assert uri_template.UriTemplate.parse("x://t/{id}").match("x://t/1") == theirs


def test_a_gateway_loads_no_client_and_no_server_of_the_sdk() -> None:
    loaded = "import sys, gateway.cli.serve, gateway.cli.stdio; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert "gateway.wire.agents.http" in ran.stdout.split()
    assert [name for name in ran.stdout.split() if name.partition(".")[0] == "mcp"] == []
