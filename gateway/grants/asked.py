"""What a request for a grant may say, strictly: from a command line or the body of an HTTP request."""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError

from gateway.config.issuers import AGENT, AGENT_IN_WORDS, PRINCIPAL, WORD, WORD_IN_WORDS
from gateway.core.model import JsonObject
from gateway.terms import Written


def _agent(name: str) -> str:
    kind, _, own = name.partition(":")
    if kind != "agent" or not AGENT.fullmatch(own):
        raise ValueError(f"{name!r} is no agent's name: agent:, and then {AGENT_IN_WORDS}")
    return name


def _word(name: str) -> str:
    if not WORD.fullmatch(name):
        raise ValueError(f"{name!r} is not a name a token can carry: {WORD_IN_WORDS}")
    return name


Agent = Annotated[str, AfterValidator(_agent)]
Word = Annotated[str, AfterValidator(_word)]


class Asked(Written):
    """For whom, and what for. Terms that are left out are those of the ceiling."""

    agent: Agent
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
