"""A SPIFFE Workload API in this process, on a unix socket, for the real client of PyPI `spiffe`.

It attests nobody: whoever connects is the workload it is told to be. What it proves is the protocol.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from spiffe._proto import workload_pb2, workload_pb2_grpc

from tests.identity.idp import jwk, new_key


@dataclass
class TrustDomain(workload_pb2_grpc.SpiffeWorkloadAPIServicer):
    """A trust domain's keys, and JWT-SVIDs signed by them."""

    name: str = "acme.example"
    workload: str = "spiffe://acme.example/agent/triage-1"
    keys: dict[str, EllipticCurvePrivateKey] = field(default_factory=lambda: {"s1": new_key()})

    def bundle(self) -> bytes:
        keys = [jwk(key, kid=kid, use="jwt-svid") for kid, key in self.keys.items()]
        return json.dumps({"keys": keys}).encode()

    def rotate(self, kid: str) -> None:
        self.keys = {kid: new_key()}

    def svid(self, audience: str, subject: str | None = None, **claims: Any) -> str:
        """As SPIRE makes them: no `iss`, no `jti`. A claim that is `...` is left out."""
        kid, key = next(reversed(self.keys.items()))
        now = int(time.time())
        said = {"sub": subject or self.workload, "aud": [audience], "iat": now, "exp": now + 300}
        kept = {name: value for name, value in {**said, **claims}.items() if value is not ...}
        return jwt.encode(kept, key, algorithm="ES256", headers={"kid": kid, "typ": "JWT"})

    def FetchJWTSVID(self, request: Any, context: Any) -> Any:
        svid = workload_pb2.JWTSVID(spiffe_id=self.workload, svid=self.svid(request.audience[0]))
        return workload_pb2.JWTSVIDResponse(svids=[svid])

    def FetchJWTBundles(self, request: Any, context: Any) -> Iterator[Any]:
        yield workload_pb2.JWTBundlesResponse(bundles={f"spiffe://{self.name}": self.bundle()})


@contextmanager
def serving(domain: TrustDomain, directory: Path) -> Iterator[str]:
    """The API's address, until it is left."""
    address = f"unix://{directory}/agent.sock"
    server = grpc.server(ThreadPoolExecutor(2))
    workload_pb2_grpc.add_SpiffeWorkloadAPIServicer_to_server(domain, server)  # type: ignore[no-untyped-call]
    server.add_insecure_port(address.replace("unix://", "unix:"))
    server.start()
    try:
        yield address
    finally:
        server.stop(0).wait(5)
