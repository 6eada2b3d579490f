"""A policy directory from a few words, for tests: what is not given is the smallest thing that loads."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from gateway.core.model import AccessRequest, Effect, JsonObject, Tier
from gateway.policy import PolicySnapshot, load
from gateway.settings import ServerSettings

MODEL: Final = Path(__file__).parents[2] / "policies" / "model.conf"
ALLOW: Final = "p, P1, data, git, git_log, role:reader, local, general, local, -, allow"
READER: Final = "g, agent:ann, role:reader, local"
TIERS: Final = """\
servers:
  git:
    tools:
      git_log: {tier: data, effect: read}
"""


def written(
    home: Path,
    csv: str = f"{ALLOW}\n{READER}\n",
    tiers: str = TIERS,
    constraints: str = "",
    cases: str = "",
) -> Path:
    """The directory, with these files in it."""
    directory = home / "policies"
    directory.mkdir(exist_ok=True)
    shutil.copyfile(MODEL, directory / "model.conf")
    for name, text in (
        ("policy.csv", csv),
        ("tiers.yaml", tiers),
        ("constraints.yaml", constraints),
        ("tests.yaml", cases),
    ):
        if text:
            (directory / name).write_text(text)
    return directory


def loaded(
    home: Path,
    csv: str = f"{ALLOW}\n{READER}\n",
    tiers: str = TIERS,
    constraints: str = "",
    servers: dict[str, ServerSettings] | None = None,
) -> PolicySnapshot:
    """The same, loaded."""
    return load(written(home, csv, tiers, constraints), servers or {})


def question(
    subject: str = "agent:ann",
    tool: str = "git_log",
    arguments: JsonObject | None = None,
    *,
    tier: Tier = Tier.DATA,
    server: str = "git",
    tenant: str = "local",
    intent: str = "general",
    destination: str = "local",
    effect: Effect = Effect.READ,
    as_list: bool = False,
) -> AccessRequest:
    """A call ann may make under `ALLOW`; `as_list` asks whether any call could be."""
    return AccessRequest(
        subject=subject,
        tenant=tenant,
        intent=intent,
        tier=tier,
        server=server,
        tool=tool,
        destination=destination,
        effect=effect,
        arguments=None if as_list else arguments or {},
        task="T-1",
    )
