"""A first tiers.yaml section for one tool server, proposed from what it says of itself, for a human to keep.

Nothing here is ever believed by a running gateway: annotations come from the server, so they only
choose which line a person reads first. It reads descriptors and writes text; it opens no file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

Descriptor = Mapping[str, Any]

_SECTIONS: Final = ("tools", "prompts", "resources")
_HEAD: Final = """\
# Draft for {server}, from its own annotations. They are claims, not facts: read every line, then keep
# it under `servers:` in tiers.yaml. A tool without readOnlyHint counts as one that may destroy.
servers:
  {server}:
"""


def draft_tiers(server: str, descriptors: Iterable[Descriptor]) -> str:
    """YAML text proposing tier and effect for raw descriptors of tools, prompts, resources and templates.

    A descriptor's kind is told by its members: `inputSchema` (tool), `uri` or `uriTemplate`
    (resource), else prompt. Defaults are the protocol's: destructiveHint true, readOnlyHint false.
    """
    lines: dict[str, list[str]] = {section: [] for section in _SECTIONS}
    templates = []
    for descriptor in descriptors:
        section, name = _named(descriptor)
        lines[section].append(_line(section, name, descriptor))
        if section == "resources" and "uri" not in descriptor and _is_plain(name):
            templates.append(name)
    text = _HEAD.format(server=server)
    for section in _SECTIONS:
        if lines[section]:
            text += f"    {section}:\n" + "".join(sorted(lines[section]))
    return text + _expansions(templates)  # behind the resources


def _named(descriptor: Descriptor) -> tuple[str, str]:
    if "inputSchema" in descriptor:
        return "tools", str(descriptor.get("name", ""))
    for member in ("uri", "uriTemplate"):
        if member in descriptor:
            return "resources", str(descriptor[member])
    return "prompts", str(descriptor.get("name", ""))


def _line(section: str, name: str, descriptor: Descriptor) -> str:
    tier, effect, why = ("data", "read", "")
    if section == "tools":
        tier, effect, why = _judge(descriptor.get("annotations"))
    comment = f"  # {why}" if why else ""
    if not _is_plain(name):
        # As a pattern it would speak for other names too: a server that calls a tool `*` gets no entry.
        return f"      # no entry for {json.dumps(name)}: this name would be read as a pattern\n"
    return f"      {json.dumps(name)}: {{tier: {tier}, effect: {effect}}}{comment}\n"


def _is_plain(name: str) -> bool:
    return bool(name) and name.isprintable() and not any(sign in name for sign in "*|")


def _expansions(templates: Iterable[str]) -> str:
    """The entries for the URIs that templates expand to. A person decides: they may cover much. The first entry that
    fits counts, and tiers.yaml refuses one that is never reached: so each once, the widest last."""
    heads = {template.partition("{")[0] for template in templates} - {""}
    return "".join(
        f"      # {json.dumps(head + '*')}: {{tier: data, effect: read}}  # to read what it expands to\n"
        for head in sorted(heads, key=lambda head: (-len(head), head))
    )


def _judge(annotations: object) -> tuple[str, str, str]:
    """Tier, effect and the claim they rest on. Only a literal `true` or `false` is a claim."""
    claims = annotations if isinstance(annotations, Mapping) else {}
    if claims.get("readOnlyHint") is True:
        return "data", "read", "claims readOnlyHint: true"
    if claims.get("destructiveHint") is False:
        return "tool", "write", "claims destructiveHint: false"
    said = "claims destructiveHint: true" if "destructiveHint" in claims else "claims nothing"
    return "admin", "destroy", said
