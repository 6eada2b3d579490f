"""A raw client of one address, in either era: every message as it came, to the type of a number."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import httpx2
from mcp.shared.inbound import encode_header_value

from tests.system.raw import INITIALIZED, STATELESS, bare, enveloped, exactly, greeting

JSON = dict[str, Any]


class Speaker:
    """One raw client of one address."""

    def __init__(self, url: str, era: str, token: str = "", *, anew: bool = False) -> None:
        """`anew`: each request on a connection of its own."""
        self._url = url
        self._stateless = era == "stateless"
        self._headers = {"accept": "application/json, text/event-stream"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"
        if anew:
            self._headers["connection"] = "close"
        self._http = httpx2.Client(timeout=30, headers=self._headers)
        self._ids = itertools.count(1)
        self.hello: JSON = {}

    def __enter__(self) -> Speaker:
        if self._stateless:
            self.hello = self.say("server/discover", {})
            return self
        opened = self._http.post(self._url, json=greeting())
        self.hello = exactly(opened.content)
        if "mcp-session-id" in opened.headers:
            self._http.headers["mcp-session-id"] = opened.headers["mcp-session-id"]
        self._http.headers["mcp-protocol-version"] = "2025-11-25"
        self._http.post(self._url, json=INITIALIZED)
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def say(self, method: str, params: JSON) -> JSON:
        """HTTP status and every message that came, in order."""
        make = enveloped if self._stateless else bare
        headers = _mirrored(method, params) if self._stateless else {}
        body = make(method, params, next(self._ids))
        got = self._http.post(self._url, json=body, headers=headers)
        streamed = got.headers["content-type"].startswith("text/event-stream")
        messages = list(_events(got.content)) if streamed else [exactly(got.content)]
        return {"status": got.status_code, "messages": messages}

    def ask(self, method: str, **params: Any) -> JSON:
        """The answer alone: its `result` or its `error`."""
        answer: JSON = self.say(method, params)["messages"][-1]
        found: JSON = answer.get("result") or answer["error"]
        return found


def _mirrored(method: str, params: JSON) -> dict[str, str]:
    headers = {"mcp-protocol-version": STATELESS, "mcp-method": method}
    member = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}.get(method)
    member = "taskId" if method.startswith("tasks/") else member
    return {**headers, "mcp-name": encode_header_value(params[member])} if member else headers


def _events(stream: bytes) -> Iterator[JSON]:
    ends = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for event in ends.split(b"\n\n"):
        lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line[:5] == b"data:"]
        if any(lines):
            yield exactly(b"\n".join(lines))
