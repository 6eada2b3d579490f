"""The bytes of a request to a tool server, and the headers each era asks for.

Nothing of the agent's own headers has a way in here: the headers come from the body, from the tool's
schema and from the operator's file, and `Mcp-Param-*` is the only name an agent can add to. A value that
could end its line is refused. Spec: 2026-07-28 basic/transports/streamable-http.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from gateway.core.model import JsonObject
from gateway.errors import Misconfigured, Where
from gateway.ports import Outbound
from gateway.sdk import inbound
from gateway.wire.methods import NAMED
from gateway.wire.servers.envelope import STATELESS_VERSION
from gateway.wire.servers.http_broken import NotSent
from gateway.wire.servers.http_pool import Address

Headers = Iterable[tuple[str, str]]
HeaderMap = Mapping[tuple[str, ...], str]
"""Property path -> the token behind `Mcp-Param-`, of one tool (`x_mcp_header_map`)."""

_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r"[\x20-\x7e]*")
_OURS: Final = frozenset(
    "host connection content-length content-type transfer-encoding te trailer upgrade expect "
    "keep-alive accept accept-encoding cookie last-event-id".split()
)


class Unsendable(NotSent):
    """A header cannot be written as it is. Nothing was sent."""


class Requests:
    """Writes requests for one address; what never changes is written once."""

    def __init__(self, address: Address, fixed: Headers) -> None:
        self._target = address.target.encode()
        common = (
            f"Host: {address.authority}\r\nAccept-Encoding: identity\r\nUser-Agent: bulkhead\r\n"
        ).encode() + lines(fixed)
        self._common = common
        accept = b"Accept: application/json, text/event-stream\r\n"
        kind = b"Content-Type: application/json\r\n"
        self._posted = b"POST %b HTTP/1.1\r\n%b%b%b" % (self._target, common, accept, kind)

    def post(self, headers: bytes, body: bytes) -> bytes:
        """A whole POST; `headers` as `lines` writes them."""
        return b"%b%bContent-Length: %d\r\n\r\n%b" % (self._posted, headers, len(body), body)

    def get(self, headers: bytes) -> bytes:
        """A GET for an event stream."""
        head = b"GET %b HTTP/1.1\r\n%bAccept: text/event-stream\r\n%b\r\n"
        return head % (self._target, self._common, headers)

    def delete(self, headers: bytes) -> bytes:
        """A DELETE of a session."""
        return b"DELETE %b HTTP/1.1\r\n%b%b\r\n" % (self._target, self._common, headers)


def lines(headers: Headers) -> bytes:
    """Headers as they are written. Raises `Unsendable`."""
    return b"".join([_line(name, value) for name, value in headers])


@lru_cache(maxsize=1_024)
def _line(name: str, value: str) -> bytes:
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        raise Unsendable(f"header {name[:40]!r} has a name or a value no header can have")
    return f"{name}: {value}\r\n".encode("ascii")


def fixed_headers(
    server: str, headers: Mapping[str, str], where: Where | None
) -> tuple[tuple[str, str], ...]:
    """The operator's own headers for a server. Raises `Misconfigured` for those that are ours to write."""
    for name, value in headers.items():
        lower = name.lower()
        header = f"servers.{server}.headers.{name}"
        if lower in _OURS or lower.startswith("mcp-"):
            raise Misconfigured(f"{header}: the gateway writes this header itself", where)
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise Misconfigured(
                f"{header}: not a header name and a value of printable ASCII", where
            )
    return tuple(headers.items())


def stateless_lines(message: Outbound) -> bytes:
    """The 2026-07-28 headers every request has, made anew from its body. Raises `Unsendable`."""
    method = message.method
    name = message.params.get(member) if (member := NAMED.get(method)) else None
    return _named_lines(method, name if isinstance(name, str) else None)


def param_lines(message: Outbound, declared: HeaderMap) -> bytes:
    """Those of its arguments, as `declared` in the tool's schema; plus the agent's unknown params. Raises
    `Unsendable`."""
    arguments = message.params.get("arguments")
    said = isinstance(arguments, dict) and inbound.mcp_param_headers(declared, arguments)
    told = lines(said.items()) if said else b""
    return told + lines(_undeclared(message.extra_headers, declared))


@lru_cache(maxsize=1_024)
def _named_lines(method: str, name: str | None) -> bytes:
    headers = [("MCP-Protocol-Version", STATELESS_VERSION), ("Mcp-Method", _text(method))]
    return lines(headers if name is None else [*headers, ("Mcp-Name", _text(name))])


def _undeclared(extra: Headers, declared: HeaderMap) -> list[tuple[str, str]]:
    """Of what the agent added, the `Mcp-Param-*` no schema declares: forwarded, and otherwise ignored."""
    if not extra:
        return []
    prefix = inbound.MCP_PARAM_HEADER_PREFIX.lower()
    known = {f"{prefix}{token.lower()}" for token in declared.values()}
    return [
        (name, value)
        for name, value in extra
        if name.lower().startswith(prefix) and name.lower() not in known
    ]


def _text(value: str) -> str:
    try:
        return inbound.encode_header_value(value)
    except UnicodeEncodeError:
        raise Unsendable("a name that is not Unicode text") from None


def header_map(tool: JsonObject) -> HeaderMap:
    """The header annotations of a tool as listed; empty when it has none, or one that is invalid."""
    schema: Any = tool.get("inputSchema")
    if inbound.find_invalid_x_mcp_header(schema) is not None:
        return {}
    return inbound.x_mcp_header_map(schema)
