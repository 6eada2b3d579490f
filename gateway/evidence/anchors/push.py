"""Checkpoints pushed by HTTP POST: to a witness, a chat, another team's log."""

from __future__ import annotations

import httpx

from gateway.evidence.anchoring import Unanchored


class PushAnchor:
    """`anchoring.Anchor`. Whoever takes them says 2xx; the same one may come twice."""

    def __init__(self, url: str, client: httpx.Client) -> None:
        self._url = url
        self._client = client

    @property
    def name(self) -> str:
        """See `Anchor`."""
        return self._url

    def put(self, name: str, note: str) -> None:
        """See `Anchor`."""
        headers = {"Content-Type": "text/plain; charset=utf-8", "Idempotency-Key": name}
        try:
            answer = self._client.post(self._url, content=note.encode(), headers=headers)
        except httpx.HTTPError as error:
            raise Unanchored(type(error).__name__) from None
        if not answer.is_success:
            raise Unanchored(f"status {answer.status_code}")
