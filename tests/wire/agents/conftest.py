"""Every test of this wire runs twice: behind the HTTP engine, and on the short way (`lane`) wherever that takes it."""

from __future__ import annotations

import httptools
import pytest

from gateway.wire.agents.exchange import Head
from gateway.wire.agents.knownheads import Known, KnownHeads


class _Reading:
    """A head as the engine's own parser reads it."""

    def __init__(self, raw: bytes) -> None:
        self.headers: list[tuple[str, str]] = []
        self.url = b""
        self.head: Head | None = None
        self._parser = httptools.HttpRequestParser(self)
        try:
            self._parser.feed_data(raw)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.head = None

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")))

    def on_headers_complete(self) -> None:
        if self._parser.should_keep_alive() and self._parser.get_http_version() == "1.1":
            path = self.url.split(b"?")[0].decode("latin-1")
            self.head = Head(self._parser.get_method().decode(), path, tuple(self.headers))


_find = KnownHeads.find


def _known_at_first_sight(heads: KnownHeads, raw: bytes) -> Known | None:
    if _find(heads, raw) is None and (head := _Reading(raw).head) is not None:
        heads.learn(raw, head)
    return _find(heads, raw)


@pytest.fixture(params=["engine", "lane"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """On the lane a head counts as read before when it is seen for the first time."""
    if request.param == "lane":
        monkeypatch.setattr(KnownHeads, "find", _known_at_first_sight)
    return str(request.param)
