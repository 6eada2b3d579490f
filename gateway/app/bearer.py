"""A bearer token of the environment, as the header it is sent in: where nobody can read along, and nowhere else."""

from __future__ import annotations

import os

from gateway.config.credential_settings import is_private
from gateway.errors import Misconfigured, Where


def bearer(variable: str, url: str, where: Where | None = None) -> dict[str, str]:
    """The headers for that address: none where the variable is not set. `where`: the file that names the address.

    Raises `Misconfigured`."""
    token = os.environ.get(variable)
    if not token:
        return {}
    if not is_private(url):
        raise Misconfigured(
            f"{variable} is sent to https or this machine only, not to {url}", where
        )
    return {"Authorization": f"Bearer {token}"}
