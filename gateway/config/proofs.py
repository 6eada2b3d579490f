"""Of bulkhead.yaml: checkpoints and who gets warrants (`evidence`), how long payloads stay (`retention`).

It knows the shape only.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gateway.config.yamlfile import Strict


class Bucket(Strict):
    """A bucket of an S3-compatible store, with object lock switched on. Its keys come from AWS_ACCESS_KEY_ID
    and AWS_SECRET_ACCESS_KEY."""

    url: Annotated[str, Field(pattern="^https?://[^/]+$")]
    """Origin of the store."""
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,62}$")]
    region: str = "us-east-1"
    retain_days: Annotated[int, Field(gt=0, le=36_500)] = 400
    """How long nobody can delete a checkpoint there (mode COMPLIANCE)."""


class AnchorSettings(Strict):
    """One place outside for checkpoints: exactly one of these."""

    directory: str | None = None
    """A directory somebody else owns or takes copies of; a file for each checkpoint."""
    url: Annotated[str, Field(pattern="^https?://")] | None = None
    """Each checkpoint is POSTed here. BULKHEAD_ANCHOR_TOKEN, when set, is sent as a bearer token."""
    bucket: Bucket | None = None

    @model_validator(mode="after")
    def _one(self) -> AnchorSettings:
        if [self.directory, self.url, self.bucket].count(None) != 2:
            raise ValueError("give exactly one of directory, url and bucket")
        return self


class Evidence(Strict):
    """The Merkle log's checkpoints, and who gets what of it."""

    checkpoint_lines: Annotated[int, Field(gt=0)] = 4096
    checkpoint_seconds: Annotated[float, Field(gt=0, le=3600)] = 0.2
    """A checkpoint is signed after so many lines, or so much time if there is anything new."""
    anchors: tuple[AnchorSettings, ...] = ()
    anchor_seconds: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """How often the newest checkpoint is taken to the anchors: what could be rewritten unseen is younger."""
    warrants: Literal["operators", "hosts"] = "operators"
    """hosts: an agent's host that asks for a call's warrant gets it, with its rule, file and line."""


Days = Annotated[int, Field(gt=0, le=36_500)]


class Retention(Strict):
    """How long payloads are kept, by class, in days. None: until they are forgotten by hand. Lines stay."""

    arguments: Days | None = None
    images: Days | None = None
    """What an undo takes: no call can be undone for longer."""
    results: Days | None = 30
    keep_results: Literal["none", "writes", "all"] = "writes"
    """Of which calls the result is kept at all."""
