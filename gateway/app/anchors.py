"""Opens the places outside that bulkhead.yaml names. Keys and tokens come from the environment."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx

from gateway.app.bearer import bearer
from gateway.config.proofs import AnchorSettings, Bucket
from gateway.errors import Misconfigured
from gateway.evidence.anchoring import Anchor
from gateway.evidence.anchors.bucket import BucketAnchor, Keys
from gateway.evidence.anchors.directory import DirectoryAnchor
from gateway.evidence.anchors.push import PushAnchor
from gateway.settings import Settings

TIMEOUT_SECONDS: Final = 20.0
TOKEN: Final = "BULKHEAD_ANCHOR_TOKEN"


def open_anchors(settings: Settings) -> list[Anchor]:
    """One for each that is named. Raises `Misconfigured`."""
    return [_opened(one, settings) for one in settings.evidence.anchors]


def _opened(one: AnchorSettings, settings: Settings) -> Anchor:
    if one.directory is not None:
        return DirectoryAnchor(Path(settings.home, one.directory))
    if one.bucket is not None:
        return _bucket(one.bucket, settings)
    assert one.url is not None
    return PushAnchor(one.url, _client(bearer(TOKEN, one.url, settings.where)))


def _bucket(bucket: Bucket, settings: Settings) -> BucketAnchor:
    access, secret = (os.environ.get(f"AWS_{n}") for n in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    if not access or not secret:
        raise Misconfigured(
            "evidence.anchors: a bucket needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            settings.where,
        )
    keys = Keys(access, secret, bucket.region)
    return BucketAnchor(
        f"{bucket.url}/{bucket.name}", keys, timedelta(days=bucket.retain_days), _client({})
    )


def _client(headers: dict[str, str]) -> httpx.Client:
    return httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False, headers=headers)
