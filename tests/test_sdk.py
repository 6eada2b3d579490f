"""The SDK's pure modules, and nothing else of it, in a process that serves."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import astuple
from typing import Any

import mcp_types
import pytest
from mcp.shared import inbound as theirs
from mcp.shared.uri_template import UriTemplate
from mcp_types import jsonrpc

from gateway import sdk
from gateway.sdk import inbound, uri_template


def loaded(program: str) -> list[str]:
    """The modules that a process of its own has after this."""
    words = [sys.executable, "-c", f"import sys\n{program}\nprint(*sys.modules)"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()


def asked(requested: object) -> dict[str, Any]:
    """A request of the stateless era for a version of the protocol."""
    meta = {sdk.PROTOCOL_VERSION_META_KEY: requested, sdk.CLIENT_CAPABILITIES_META_KEY: {}}
    return {"method": "tools/list", "params": {"_meta": meta}}


def test_they_say_what_the_sdk_says() -> None:
    assert inbound.ERROR_CODE_HTTP_STATUS == theirs.ERROR_CODE_HTTP_STATUS
    matched = UriTemplate.parse("x://t/{id}").match("x://t/1")
    assert uri_template.UriTemplate.parse("x://t/{id}").match("x://t/1") == matched


@pytest.mark.parametrize("requested", [sdk.LATEST_MODERN_VERSION, "1999-01-01", "", None, 7])
def test_a_request_is_classified_as_the_sdk_does_it(requested: object) -> None:
    ours = inbound.classify_inbound_request(asked(requested))
    sdks = theirs.classify_inbound_request(asked(requested))
    assert (type(ours).__name__, astuple(ours)) == (type(sdks).__name__, astuple(sdks))


def test_the_words_written_down_are_the_sdks() -> None:
    words = [name for name in vars(sdk) if name.endswith("_META_KEY")]
    codes = [name for name, value in vars(sdk).items() if isinstance(value, int) and value < 0]
    assert (len(words), len(codes)) == (5, 7)
    assert [getattr(sdk, name) for name in words] == [getattr(mcp_types, each) for each in words]
    assert [getattr(sdk, name) for name in codes] == [getattr(jsonrpc, each) for each in codes]


def test_a_gateway_loads_no_client_no_server_and_no_model_of_the_sdk() -> None:
    names = loaded("import gateway.cli.serve, gateway.cli.stdio")
    assert "gateway.wire.agents.http" in names
    assert [name for name in names if name.partition(".")[0] in ("mcp", "mcp_types")] == []


def test_who_imports_the_sdk_beside_the_gateway_has_the_whole_of_it() -> None:
    after = loaded("from gateway import sdk\nimport mcp\nassert mcp.types.Tool and mcp.Client")
    before = loaded(
        "import mcp\nfrom gateway import sdk\nassert sdk.inbound.classify_inbound_request"
    )
    assert "mcp_types._types" in after
    assert "mcp_types._types" in before
