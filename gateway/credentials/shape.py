"""How a provider's values become headers and variables: templates with `{name}`, filled and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from gateway.config.credential_settings import PLACE
from gateway.credential_ports import Minted, NoCredential
from gateway.credentials.references import SHORTEST

_SENDABLE: Final = re.compile(r"[\x20-\x7e]+")
_SETTABLE: Final = re.compile(r"[^\0\ud800-\udfff]+")


def headers(templates: Mapping[str, str], minted: Minted) -> dict[str, str]:
    """For a request. Raises `NoCredential` for a place nothing fits."""
    return _filled(templates, minted, _SENDABLE, "printable ASCII")


def environment(templates: Mapping[str, str], minted: Minted) -> dict[str, str]:
    """For a process: a key in PEM or JSON has lines. Raises as `headers`."""
    return _filled(templates, minted, _SETTABLE, "what a variable can be")


def _filled(
    templates: Mapping[str, str], minted: Minted, shape: re.Pattern[str], what: str
) -> dict[str, str]:
    def value(place: re.Match[str]) -> str:
        name = place.group(1)
        if name not in minted.values:
            raise NoCredential(f"the provider gives no value {name!r}")
        if name in minted.secret and len(minted.values[name]) < SHORTEST:
            raise NoCredential(f"{name}: no secret of at least {SHORTEST} characters")
        return minted.values[name]

    done = {name: PLACE.sub(value, template) for name, template in templates.items()}
    for name, text in done.items():
        if not shape.fullmatch(text):
            raise NoCredential(f"{name}: what the provider gave is not {what}")
    return done
