"""Asking another one with a bearer token of the environment: where nobody can read along, and nowhere else."""

from __future__ import annotations

import os
from typing import Any

from gateway.config.addresses import is_loopback
from gateway.config.credential_settings import is_private
from gateway.errors import Misconfigured, Where


def towards(url: str, variable: str, where: Where | None = None) -> dict[str, Any]:
    """What an httpx client of this address is made with: the token, where the variable is set, no redirects, and no
    proxy on the way to this machine. `where`: the file that names the address.

    Raises `Misconfigured`."""
    import httpx

    try:
        local = is_loopback(httpx.URL(url).host)
    except httpx.InvalidURL as error:
        raise Misconfigured(f"{url}: {error}", where) from None
    token = os.environ.get(variable)
    if token and not is_private(url):
        raise Misconfigured(
            f"{variable} is sent to https or this machine only, not to {url}", where
        )
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return {"headers": headers, "follow_redirects": False, "trust_env": not local}
