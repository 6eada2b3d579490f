"""How a provider's values become headers and variables: templates with `{name}`, filled and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from gateway.config.credential_settings import PLACE
from gateway.credential_ports import Minted, NoCredential

_SENDABLE: Final = re.compile(r"[\x20-\x7e]+")


def filled(templates: Mapping[str, str], minted: Minted) -> dict[str, str]:
    """The templates with the values in their places. Raises `NoCredential` for a place nothing fits."""

    def value(place: re.Match[str]) -> str:
        name = place.group(1)
        if name not in minted.values:
            raise NoCredential(f"the provider gives no value {name!r}")
        return minted.values[name]

    done = {name: PLACE.sub(value, template) for name, template in templates.items()}
    for name, text in done.items():
        if not _SENDABLE.fullmatch(text):
            raise NoCredential(f"{name}: what the provider gave is not printable ASCII")
    return done
