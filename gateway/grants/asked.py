"""What a request for a grant may say, strictly: from a command line or the body of an HTTP request."""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import Field, ValidationError

from gateway.config.issuers import AGENT, PRINCIPAL
from gateway.core.model import JsonObject
from gateway.terms import Written

Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$")]


class Asked(Written):
    """For whom, and what for. Terms that are left out are those of the ceiling."""

    agent: Annotated[str, Field(pattern=rf"^agent:{AGENT.pattern}$")]
    task: Word
    intent: Word
    tenant: Word | None = None
    on_behalf_of: Annotated[str, Field(pattern=rf"^(?:{PRINCIPAL.pattern})?$")] = ""
    """As tokens name whom they act for. Another spelling of a name would let that person approve their own calls."""


def read_asked(said: JsonObject) -> Asked:
    """Raises `ValueError`, naming the member that is wrong."""
    try:
        return Asked.model_validate_json(json.dumps(said))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(map(str, first["loc"]))
        raise ValueError(f"{name}: {first['msg'].removeprefix('Value error, ')}") from None
