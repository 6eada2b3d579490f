"""A grant's terms as a file or a request writes them: strict shapes, into the core's value.

It knows nothing of who asks and what may be given.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from gateway.config.destinations import host_of
from gateway.config.yamlfile import Strict
from gateway.core.dialect import SchemaFault
from gateway.core.misspelt import misspelt
from gateway.core.model import JsonObject, Tier
from gateway.core.validate import compile_bound
from gateway.settings import SERVER_ID

_DAY: Final = 86_400


def _tool(tool: str) -> str:
    server, slash, name = tool.partition("/")
    if not slash or not SERVER_ID.fullmatch(server) or not name or not name.isprintable():
        raise ValueError(f"{tool!r} is not server/tool or server/prefix*")
    if "*" in name[:-1] or name != name.strip():
        raise ValueError(f"{tool!r}: a * may stand only at the end, and no space around a name")
    return tool


def _host(host: str) -> str:
    name = host.removeprefix("*.")
    if host != "*" and host_of(name) != name:
        raise ValueError(f"{host!r} is not a host in its plain form, *.domain or *")
    return host


def _bound(bound: JsonObject) -> JsonObject:
    try:
        compile_bound(bound)
        fault = misspelt(bound)
    except SchemaFault as unusable:
        fault = str(unusable)
    if fault:
        raise ValueError(fault)
    return bound


Tool = Annotated[str, AfterValidator(_tool)]
Host = Annotated[str, AfterValidator(_host)]
Bound = Annotated[dict[str, Any], AfterValidator(_bound)]
Amount = Annotated[int, Field(gt=0, le=2**53)]
Seconds = Annotated[int, Field(gt=0, le=30 * _DAY)]
Rate = Annotated[int, Field(gt=0, le=60_000)]


class Written(Strict):
    """Everything may be left out; what that means is for whoever reads it."""

    tiers: Annotated[frozenset[Tier], Field(min_length=1)] | None = None
    tools: Annotated[tuple[Tool, ...], Field(min_length=1)] | None = None
    """`server/tool` or `server/prefix*`, by their names in policy.csv."""
    destinations: Annotated[tuple[Host, ...], Field(min_length=1)] | None = None
    bounds: dict[Tool, Bound] | None = None
    """A JSON Schema that the arguments of these tools must pass, beside their own."""
    uses: Amount | None = None
    writes: Annotated[int, Field(ge=0, le=2**53)] | None = None
    bytes: Amount | None = None
    per_minute: Rate | None = None
    burst: Rate | None = None
    seconds: Seconds | None = None
    idle: Seconds | None = None
    strict_flow: bool | None = None

    def given(self) -> dict[str, Any]:
        """What was written, by the names of `core.grant.Terms`."""
        values = {name: getattr(self, name) for name in Written.model_fields}
        return {name: value for name, value in values.items() if value is not None}
