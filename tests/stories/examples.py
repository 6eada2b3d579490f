"""A small story to bend, for the tests of the engine itself."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

SMALL: dict[str, Any] = {
    "title": "A clock",
    "tells": "Somebody asks for the time.",
    "world": {"files": {"note.txt": "as it was\n"}},
    "servers": {"time": {"command": ["{bin}/mcp-server-time", "--local-timezone", "UTC"]}},
    "policies": "policies",
    "agents": {"reader": {}},
    "steps": [
        {
            "says": "It asks.",
            "agent": "reader",
            "at": "/mcp",
            "call": "time__convert_time",
            "arguments": {
                "source_timezone": "UTC",
                "time": "00:30",
                "target_timezone": "Asia/Tokyo",
            },
            "expect": {"allowed": "P010", "says": "09:30"},
        },
        {
            "says": "It asks for more.",
            "agent": "reader",
            "at": "/mcp",
            "call": "time__get_current_time",
            "arguments": {"timezone": "UTC"},
            "expect": {"refused": "no_rule"},
        },
    ],
    "after": [{"unchanged": True}],
}

POLICY = """\
p, P010, data, time, convert_time, role:reader, local, general, local, -, allow
g, agent:reader, role:reader, local
"""

TIERS = """\
servers:
  time:
    tools:
      get_current_time|convert_time: {tier: data, effect: read}
"""


def small() -> dict[str, Any]:
    """A copy to change."""
    return copy.deepcopy(SMALL)


def written(directory: Path, tree: dict[str, Any]) -> Path:
    """The story's directory, with its policies."""
    (directory / "policies").mkdir(parents=True)
    (directory / "policies" / "policy.csv").write_text(POLICY)
    (directory / "policies" / "tiers.yaml").write_text(TIERS)
    YAML().dump(tree, directory / "story.yaml")
    return directory
