"""The pure modules of the MCP SDK, loaded without the clients and servers that its package brings along.

Those would be half of what a gateway has to load before it can answer, and it uses none of them. A file
loaded here must not depend on the rest of its package. Knows nothing of what is in them.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING


def _alone(name: str) -> ModuleType:
    """One module of `mcp.shared`, by its file."""
    package = find_spec("mcp")
    assert package is not None and package.submodule_search_locations
    path = Path(package.submodule_search_locations[0], "shared", f"{name}.py")
    spec = spec_from_file_location(f"{__name__}.{name}", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclasses look their annotations up
    spec.loader.exec_module(module)
    return module


if TYPE_CHECKING:
    from mcp.shared import inbound as inbound
    from mcp.shared import uri_template as uri_template
else:
    inbound = _alone("inbound")
    uri_template = _alone("uri_template")
