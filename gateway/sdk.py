"""The pure modules of the MCP SDK, loaded without the clients, servers and models that its packages bring along.

Those would be most of what a gateway has to load before it can answer, and it uses none of them. A file
loaded here must not depend on the rest of its package, but for the few words written down here; a test holds
them against the SDK's own, and one that it comes to need besides fails at once. Knows nothing of what is in them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

CLIENT_CAPABILITIES_META_KEY: Final = "io.modelcontextprotocol/clientCapabilities"
CLIENT_INFO_META_KEY: Final = "io.modelcontextprotocol/clientInfo"
LOG_LEVEL_META_KEY: Final = "io.modelcontextprotocol/logLevel"
PROTOCOL_VERSION_META_KEY: Final = "io.modelcontextprotocol/protocolVersion"
SERVER_INFO_META_KEY: Final = "io.modelcontextprotocol/serverInfo"

HEADER_MISMATCH: Final = -32020
INVALID_PARAMS: Final = -32602
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
MISSING_REQUIRED_CLIENT_CAPABILITY: Final = -32021
PARSE_ERROR: Final = -32700
UNSUPPORTED_PROTOCOL_VERSION: Final = -32022


class UnsupportedProtocolVersionErrorData:
    """The one model that the SDK's ladder makes, as it is written."""

    def __init__(self, *, supported: list[str], requested: str) -> None:
        self._said = {"supported": supported, "requested": requested}

    def model_dump(self, mode: str) -> dict[str, Any]:
        """What goes to the agent."""
        return self._said


def _alone(package: str, name: str) -> ModuleType:
    """One module of a package, by its file."""
    top, *below = package.split(".")
    found = find_spec(top)
    assert found is not None and found.submodule_search_locations
    path = Path(found.submodule_search_locations[0], *below, f"{name}.py")
    spec = spec_from_file_location(f"{__name__}.{name}", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclasses look their annotations up
    spec.loader.exec_module(module)
    return module


@contextmanager
def _instead(modules: Mapping[str, ModuleType]) -> Iterator[None]:
    """What is imported while this is entered finds these, where the SDK's own are not loaded already."""
    ours = {name: module for name, module in modules.items() if name not in sys.modules}
    sys.modules.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del sys.modules[name]


if TYPE_CHECKING:
    from mcp.shared import inbound as inbound
    from mcp.shared import uri_template as uri_template
    from mcp_types import version as version
else:
    version = _alone("mcp_types", "version")
    here = dict.fromkeys(("mcp_types", "mcp_types.jsonrpc"), sys.modules[__name__])
    with _instead({**here, "mcp_types.version": version}):
        inbound = _alone("mcp.shared", "inbound")
    uri_template = _alone("mcp.shared", "uri_template")

HANDSHAKE_PROTOCOL_VERSIONS: Final = version.HANDSHAKE_PROTOCOL_VERSIONS
LATEST_HANDSHAKE_VERSION: Final = version.LATEST_HANDSHAKE_VERSION
LATEST_MODERN_VERSION: Final = version.LATEST_MODERN_VERSION
MODERN_PROTOCOL_VERSIONS: Final = version.MODERN_PROTOCOL_VERSIONS
is_version_at_least = version.is_version_at_least
