"""Checkpoints in an S3-compatible bucket under object lock: for its term not even the account's owner deletes them.

One signed request (AWS Signature Version 4) and no SDK. Sources: Amazon S3 API, PutObject;
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

import httpx

from gateway.evidence.anchors.sending import send
from gateway.values import Value


class Keys(Value):
    """Who signs, and where for."""

    access: str
    secret: str
    region: str


class BucketAnchor(Value):
    """`anchoring.Anchor`. An object that is there gets another version at most: the first stays, locked."""

    name: str
    """The bucket's URL."""
    keys: Keys
    retain: timedelta
    client: httpx.AsyncClient
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def put(self, name: str, note: str) -> None:
        """See `Anchor`."""
        url, body, now = f"{self.name}/{quote(name)}", note.encode(), self.now()
        until = (now + self.retain).strftime("%Y-%m-%dT%H:%M:%SZ")
        headers = {
            "content-md5": base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode(),
            "x-amz-object-lock-mode": "COMPLIANCE",
            "x-amz-object-lock-retain-until-date": until,
        }  # fmt: skip
        headers = signed("PUT", url, headers, body, self.keys, now)
        request = self.client.build_request("PUT", url, content=body, headers=headers)
        await send(self.client, request)


def signed(
    method: str, url: str, headers: Mapping[str, str], body: bytes, keys: Keys, now: datetime
) -> dict[str, str]:
    """The headers with their signature: all that are given, host, date and the body's digest are signed."""
    where, moment = urlsplit(url), now.strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(body).hexdigest()
    own = {"host": where.netloc, "x-amz-content-sha256": digest, "x-amz-date": moment}
    every = dict(sorted({**headers, **own}.items()))
    names, lines = ";".join(every), "".join(f"{name}:{said}\n" for name, said in every.items())
    asked = f"{method}\n{where.path or '/'}\n{where.query}\n{lines}\n{names}\n{digest}"
    scope = f"{moment[:8]}/{keys.region}/s3/aws4_request"
    hashed = hashlib.sha256(asked.encode()).hexdigest()
    key = f"AWS4{keys.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(
        key, f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashed}".encode(), "sha256"
    )
    every["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={keys.access}/{scope},SignedHeaders={names},"
        f"Signature={signature.hex()}"
    )
    return every
