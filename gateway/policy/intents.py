"""intents.yaml: what tasks may be for, the most a grant for each may give, and where a role alone is enough.

    standing: [data, tool]          # admin never stands here
    intents:
      triage:
        tells: Read issues and answer them.
        tiers: [data, tool]
        tools: [git/git_log, "files/read_*"]
        seconds: 3600
        uses: 200

A grant names its intent and gives no more than stands here. Nothing here is ever taken from an agent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from pydantic import Field, field_validator, model_validator

from gateway.config import yamlfile
from gateway.config.yamlfile import Strict
from gateway.core.grant import Terms, in_vain
from gateway.core.model import Tier
from gateway.errors import Misconfigured, Where
from gateway.files.listing import is_there
from gateway.policy import tiers
from gateway.terms import Written
from gateway.values import Value, field

FILE: Final = "intents.yaml"
STANDING: Final = frozenset({Tier.DATA, Tier.TOOL})


class Intent(Written):
    """One declared purpose, and the most that a grant for it may give."""

    tells: str = Field(min_length=1)

    @model_validator(mode="after")
    def _gives_something(self) -> Intent:
        for name in ("tiers", "tools", "seconds"):
            if getattr(self, name) is None:
                raise ValueError(f"{name} is missing")
        return self


class _File(Strict):
    standing: frozenset[Tier] = STANDING
    intents: dict[str, Intent] = Field(default_factory=dict)

    @field_validator("standing")
    @classmethod
    def _never_admin(cls, standing: frozenset[Tier]) -> frozenset[Tier]:
        if Tier.ADMIN in standing:
            raise ValueError("admin always needs a grant")
        return standing


class Intents(Value):
    """The catalogue. Without a file: no intents, and grants only for admin, which then nobody gets."""

    standing: frozenset[Tier] = STANDING
    """Tiers a role alone is enough for, where a task has no grant."""
    ceilings: Mapping[str, Terms] = field(default_factory=dict)
    """By intent."""


def unknown(bounds: Iterable[str], known_tiers: tiers.Tiers) -> str:
    """What is bounded by a name that nothing has, in words: what its author meant would have no bound."""
    strange = next((name for name in bounds if not tiers.has(known_tiers, name)), None)
    return f"bounds: {strange} is nothing that tiers.yaml has" if strange else ""


def read(path: Path, servers: Iterable[str], known_tiers: tiers.Tiers) -> Intents:
    """The file, if there is one. `servers`: also those tiers.yaml does not speak of. Raises `Misconfigured` at
    file:line."""
    if not is_there(path):
        return Intents()
    tree = yamlfile.read(path)
    file = yamlfile.validate(tree, _File, str(path))
    known = {*known_tiers, *servers}
    for name, intent in file.intents.items():
        for tool in (*(intent.tools or ()), *(intent.bounds or {})):
            if tool.partition("/")[0] not in known:
                where = Where(str(path), yamlfile.line_of(tree, ["intents", name, "tools"]))
                raise Misconfigured(f"{tool!r}: no such server in tiers.yaml", where)
        vain = in_vain(Terms(**intent.given()))
        if intent.strict_flow and not tiers.keep_flow(known_tiers):
            vain = "strict_flow: it needs a flow in tiers.yaml"
        vain = vain or unknown(intent.bounds or {}, known_tiers)
        if vain:
            at = yamlfile.line_of(tree, ["intents", name, vain.partition(":")[0]])
            raise Misconfigured(vain, Where(str(path), at))
    return Intents(
        file.standing, {name: Terms(**one.given()) for name, one in file.intents.items()}
    )
