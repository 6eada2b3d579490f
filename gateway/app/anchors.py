"""Opens the places outside that bulkhead.yaml names. Keys and tokens come from the environment."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx

from gateway.app.bearer import towards
from gateway.config.proofs import AnchorSettings, Bucket
from gateway.errors import Misconfigured
from gateway.evidence.anchoring import Anchor
from gateway.evidence.anchors.bucket import BucketAnchor, Keys
from gateway.evidence.anchors.directory import DirectoryAnchor
from gateway.evidence.anchors.push import PushAnchor
from gateway.evidence.anchors.sending import SECONDS
from gateway.settings import Settings

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
    return PushAnchor(one.url, _client(one.url, settings, TOKEN))


def _bucket(bucket: Bucket, settings: Settings) -> BucketAnchor:
    access, secret = (os.environ.get(f"AWS_{n}") for n in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    if not access or not secret:
        raise Misconfigured(
            "evidence.anchors: a bucket needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            settings.where,
        )
    keys = Keys(access, secret, bucket.region)
    url, retain = f"{bucket.url}/{bucket.name}", timedelta(days=bucket.retain_days)
    return BucketAnchor(url, keys, retain, _client(url, settings))


def _client(url: str, settings: Settings, token: str = "") -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=SECONDS, **towards(url, token, settings.where))
