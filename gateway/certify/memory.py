"""Scratch knowledge graphs for the memory server. Seen in its file, as sets: the order of lines is not kept.

Names meet each other often, within one call too: that is where the obvious inverse goes wrong.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Final

from gateway.core.model import JsonObject
from gateway.settings import EnvironmentRule, ServerSettings

NAMES: Final = ("Ada", "Grace", "Zoë \U0001f600", "", "Ada ")
KINDS: Final = ("person", "place")
TIES: Final = ("knows", "is at")
FACTS: Final = ("counts", "counts\r\n", "sails", "\0", '"quoted" \u2028')
VARIABLE: Final = "MEMORY_FILE_PATH"
FILE: Final = "graph.jsonl"


class Ground:
    """`ground.Ground` for all six writing tools."""

    def scratch(self, name: str, settings: ServerSettings, world: Path) -> ServerSettings:
        """Its file is named by the environment."""
        variables = {**settings.environment.set, VARIABLE: str(world / FILE)}
        rule = EnvironmentRule(inherit=settings.environment.inherit, set=variables)
        return settings.model_copy(update={"environment": rule, "cwd": str(world)})

    def begin(self, world: Path, run: int, rng: Random) -> None:
        """Any graph, also one with relations to entities that are not there."""
        lines = [{**_entity(rng, name), "type": "entity"} for name in NAMES if rng.random() < 0.5]
        ties = {json.dumps(_relation(rng)) for _ in range(rng.randint(0, 4))}
        lines += [{**json.loads(tie), "type": "relation"} for tie in sorted(ties)]
        text = "\n".join(json.dumps(line) for line in lines)
        (world / FILE).write_text(text)

    def call(self, world: Path, run: int, rng: Random) -> tuple[str, JsonObject]:
        """Any tool, with one to three of anything."""
        many = range(rng.randint(1, 3))
        made: dict[str, JsonObject] = {
            "create_entities": {"entities": [_entity(rng, rng.choice(NAMES)) for _ in many]},
            "create_relations": {"relations": [_relation(rng) for _ in many]},
            "add_observations": {
                "observations": [
                    {"entityName": rng.choice(NAMES), "contents": _facts(rng)} for _ in many
                ]
            },
            "delete_entities": {"entityNames": [rng.choice(NAMES) for _ in many]},
            "delete_observations": {
                "deletions": [
                    {"entityName": rng.choice(NAMES), "observations": _facts(rng)} for _ in many
                ]
            },
            "delete_relations": {"relations": [_relation(rng) for _ in many]},
        }
        tool = rng.choice(sorted(made))
        return tool, made[tool]

    def see(self, world: Path, run: int) -> Mapping[str, str]:
        """Entities and relations, each as often as it is there."""
        text = (world / FILE).read_text()
        things = Counter(_spelt(json.loads(line)) for line in text.split("\n") if line.strip())
        return {thing: str(count) for thing, count in things.items()}


def _spelt(thing: JsonObject) -> str:
    if "observations" in thing:
        thing = {**thing, "observations": sorted(thing["observations"])}
    return json.dumps(thing, sort_keys=True)


def _entity(rng: Random, name: str) -> JsonObject:
    return {"name": name, "entityType": rng.choice(KINDS), "observations": _facts(rng)}


def _facts(rng: Random) -> list[str]:
    return rng.sample(FACTS, rng.randint(0, 3))


def _relation(rng: Random) -> JsonObject:
    return {"from": rng.choice(NAMES), "to": rng.choice(NAMES), "relationType": rng.choice(TIES)}
