"""Checkpoints pushed by HTTP POST: to a witness, a chat, another team's log."""

from __future__ import annotations

import httpx

from gateway.evidence.anchors.sending import send


class PushAnchor:
    """`anchoring.Anchor`. Whoever takes them says 2xx; the same one may come twice."""

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        self._url = url
        self._client = client

    @property
    def name(self) -> str:
        """See `Anchor`."""
        return self._url

    async def put(self, name: str, note: str) -> None:
        """See `Anchor`."""
        headers = {"Content-Type": "text/plain; charset=utf-8", "Idempotency-Key": name}
        request = self._client.build_request("POST", self._url, content=note, headers=headers)
        await send(self._client, request)
