"""What an HTTP request must look like before anything of it is believed. Pure: head in, `Rejected` out.

Host and Origin against DNS rebinding, exactly one of each header two readers could disagree about,
the one content type, no encoded bodies, an agent that accepts what it will get.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from gateway.reasons import Reason
from gateway.sdk import HEADER_MISMATCH
from gateway.settings import Settings
from gateway.values import Value
from gateway.wire.agents.exchange import Head, Rejected
from gateway.wire.agents.messages import INVALID_REQUEST, rejected

METHODS: Final = ("POST", "GET", "DELETE")
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
SINGLE: Final = (
    "authorization",
    "dpop",
    "content-type",
    "content-length",
    "content-encoding",
    "origin",
    "mcp-session-id",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-method",
    "mcp-name",
)
"""Headers of which a second copy is refused: first-copy and last-copy readers would disagree."""
ROUTING: Final = frozenset({"mcp-protocol-version", "mcp-method", "mcp-name"})


class Callers(Value):
    """Which Host and Origin headers are ours."""

    hosts: frozenset[str]
    """`host` (any port) or `host:port`, lower case."""
    origins: frozenset[str]

    @classmethod
    def of(cls, settings: Settings) -> Callers:
        """From bulkhead.yaml: what is listened on, the public URL, and what is allowed besides.

        On loopback every loopback name is ours, at any port: rebinding needs a foreign name.
        """
        public = urlsplit(settings.origin).netloc
        hosts = {host.lower() for host in (*settings.allowed_hosts, public, settings.listen)}
        if f"[{settings.host}]" in LOOPBACK or settings.host in LOOPBACK:
            hosts |= LOOPBACK
        return cls(frozenset(hosts), frozenset({*settings.allowed_origins, settings.origin}))

    def check(self, head: Head) -> None:
        """Raises `Rejected`: 400 for no or several Host headers, 421 for a foreign one, 403 for a foreign Origin."""
        hosts = head.every("host")
        if len(hosts) != 1:
            raise rejected(400, INVALID_REQUEST, "exactly one Host header is needed")
        host = hosts[0].lower()
        if host not in self.hosts and _without_port(host) not in self.hosts:
            raise rejected(421, INVALID_REQUEST, "this host is not served here (allowed_hosts)")
        origin = head.get("origin")
        same = origin is not None and origin.lower() in (f"http://{host}", f"https://{host}")
        if origin is not None and not same and origin not in self.origins:
            raise rejected(403, INVALID_REQUEST, "this origin is not allowed (allowed_origins)")


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def check_head(head: Head) -> None:
    """Method, repeated headers, content type, encoding, Accept. Raises `Rejected` (400, 405, 406, 415)."""
    if head.method not in METHODS:
        allow = ", ".join(METHODS)
        raise rejected(405, INVALID_REQUEST, "use POST", headers=(("allow", allow),))
    check_single(head)
    if head.method == "POST":
        check_content(head)
        _check_accept(head, "application/json", "text/event-stream")
    elif head.method == "GET":
        _check_accept(head, "text/event-stream")


def check_single(head: Head) -> None:
    """Raises `Rejected` (400) for a header that may be there once and is there twice."""
    seen: set[str] = set()
    for name, _ in head.headers:
        if name in SINGLE and name in seen:
            code = HEADER_MISMATCH if name in ROUTING else INVALID_REQUEST
            raise rejected(400, code, f"{name} header appears more than once")
        seen.add(name)


def check_content(head: Head) -> None:
    """Raises `Rejected` (415) for a body that is not plain JSON in UTF-8."""
    media, *parameters = (part.strip() for part in (head.get("content-type") or "").split(";"))
    ours = media.lower() == "application/json" and all(
        parameter.lower() in ("charset=utf-8", 'charset="utf-8"') for parameter in parameters
    )
    if not ours:
        raise rejected(415, INVALID_REQUEST, "Content-Type must be application/json, in UTF-8")
    if (head.get("content-encoding") or "identity").strip().lower() != "identity":
        raise rejected(415, INVALID_REQUEST, "encoded bodies are not read; send plain JSON")


def _check_accept(head: Head, *needed: str) -> None:
    # Several Accept headers are one list (RFC 9110, 5.3).
    ranges = {
        entry.split(";")[0].strip().lower()
        for value in head.every("accept")
        for entry in value.split(",")
    }
    for media in needed:
        if not ranges & {media, f"{media.split('/')[0]}/*", "*/*"}:
            raise rejected(406, INVALID_REQUEST, f"Accept must list {' and '.join(needed)}")


def declared_length(head: Head, max_body: int) -> None:
    """Refuses a body that says it is too large, before a byte of it is read. Raises `Rejected` (413)."""
    if head.length is not None and head.length > max_body:
        raise too_large(max_body)


def too_large(max_body: int) -> Rejected:
    """413; the connection closes, because the rest of the body is not going to be read."""
    return rejected(
        413,
        INVALID_REQUEST,
        f"the body is larger than {max_body} bytes",
        reason=Reason.TOO_LARGE,
        headers=(("connection", "close"),),
    )
