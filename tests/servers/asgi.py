"""What is the same in every ASGI server of the tests: a body read whole, and an answer said whole."""

from __future__ import annotations

import json
from typing import Any

from starlette.types import Message, Receive, Send


async def body_of(receive: Receive) -> bytes:
    """All of a request's body."""
    body: bytes = b""
    while True:
        part = await receive()
        body += part.get("body", b"")
        if not part.get("more_body"):
            return body


def again(body: bytes, receive: Receive) -> Receive:
    """For an app behind who read the body: it reads it, too."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return waiting.pop() if waiting else await receive()

    return replayed


async def reply(send: Send, status: int, body: bytes, kind: bytes = b"application/json") -> None:
    """One answer; `kind`: its content type."""
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, status: int, error: dict[str, Any]) -> None:
    """A JSON-RPC error that answers no request by its id."""
    await reply(send, status, json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode())
