"""What an address in an operator's file may be: where something listens, an origin others reach it at, this machine."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator

_ADDRESS: Final = re.compile(r"(?:[^:\[\]]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})", re.ASCII)
_HOST: Final = re.compile(r"(?:[^:/?#@*\[\]\s]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
_ORIGIN: Final = re.compile(r"https?://[^/?#@*\s]+/?")
_PAGE: Final = re.compile(r"null|(?!https?:)[a-z][a-z0-9+.-]*://[^/?#*\s]+")


def is_loopback(host: str) -> bool:
    """Is this host name or address this machine's own?"""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def safe_url(value: str) -> str:
    """An address something may be asked at that is believed, or told a secret. Raises `ValueError`."""
    parts = urlsplit(value)
    plain = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if not parts.hostname or not (parts.scheme == "https" or plain):
        raise ValueError("must be https, or http on this machine")
    if parts.username or parts.password or parts.fragment:
        raise ValueError("must have no user name, password or fragment")
    return value


def _address(value: str) -> str:
    found = _ADDRESS.fullmatch(value)
    if found is None or int(found[1]) > 65_535:
        raise ValueError(f"{value!r} is not HOST:PORT, nor [IPv6]:PORT")
    return value


def _origin(value: str) -> str:
    """As clients write it: in small letters, without a slash or the port its scheme has anyway. Raises `ValueError`."""
    parts = urlsplit(value)
    if not _ORIGIN.fullmatch(value) or not parts.hostname or parts.port == 0:
        raise ValueError("must be an origin, https://HOST or https://HOST:PORT, without a path")
    usual = ":443" if parts.scheme == "https" else ":80"
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(usual)}"


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError(f"{value!r} is not HOST, nor HOST:PORT, and no pattern")
    return value


def _page(value: str) -> str:
    """A browser's own pages and extensions have schemes of theirs. Raises `ValueError`."""
    return value if _PAGE.fullmatch(value) else _origin(value)


Address = Annotated[str, AfterValidator(_address)]
Host = Annotated[str, AfterValidator(_host)]
Origin = Annotated[str, AfterValidator(_origin)]
Url = Annotated[str, AfterValidator(safe_url)]
PageOrigin = Annotated[str, AfterValidator(_page)]
"""What a browser sends as `Origin`."""
