"""Checkpoints pushed by HTTP POST: to a witness, a chat, another team's log."""

from __future__ import annotations

import httpx

from gateway.evidence.anchors.sending import send
from gateway.values import Value


class PushAnchor(Value):
    """`anchoring.Anchor`. Whoever takes them says 2xx; the same one may come twice."""

    name: str
    """Its URL."""
    client: httpx.AsyncClient

    async def put(self, name: str, note: str) -> None:
        """See `Anchor`."""
        headers = {"Content-Type": "text/plain; charset=utf-8", "Idempotency-Key": name}
        request = self.client.build_request("POST", self.name, content=note, headers=headers)
        await send(self.client, request)
