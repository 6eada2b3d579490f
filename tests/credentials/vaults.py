"""Something that answers as Vault's HTTP API does, and remembers. No real Vault can be had in a test."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hvs.the-gateways-own-vault-token"


class Remembers:
    """What was given, and what was ended and how."""

    def __init__(self) -> None:
        self.alive: dict[str, str] = {}
        self.ended: list[dict[str, Any]] = []
        self.seen: list[str] = []
        self.address = ""
        self.ids = "database/creds/reader/{}"
        """How it names what it gives."""
        self.broken = False
        """It answers 500."""

    def answer(self, method: str, path: str, token: str, body: bytes) -> tuple[int, Any]:
        self.seen.append(f"{method} {path}")
        if self.broken:
            return 500, {"errors": ["it is sealed"]}
        if token != TOKEN:
            return 403, {"errors": ["permission denied"]}
        if (method, path) == ("GET", "/v1/database/creds/reader"):
            lease = self.ids.format(len(self.seen))
            self.alive[lease] = f"vault-password-{len(self.seen):04}"
            data = {"username": f"v-{len(self.seen)}", "password": self.alive[lease]}
            return 200, {"lease_id": lease, "lease_duration": 3600, "data": data}
        if (method, path) == ("POST", "/v1/sys/leases/revoke"):
            asked = json.loads(body)
            self.ended.append(asked)
            self.alive.pop(asked["lease_id"], None)
            return 204, None
        return 404, {"errors": []}


@contextmanager
def vault() -> Iterator[Remembers]:
    """It answers until it is left."""
    kept = Remembers()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            token = self.headers.get("x-vault-token", "")
            status, said = kept.answer(self.command, self.path, token, self.rfile.read(size))
            raw = b"" if said is None else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
