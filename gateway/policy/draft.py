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
    for descriptor in descriptors:
        section, name = _named(descriptor)
        lines[section].append(_line(section, name, descriptor))
    text = _HEAD.format(server=server)
    for section in _SECTIONS:
        if lines[section]:
            text += f"    {section}:\n" + "".join(sorted(lines[section]))
    return text


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
    if not name.isprintable() or not name or any(sign in name for sign in "*|"):
        # As a pattern it would speak for other names too: a server that calls a tool `*` gets no entry.
        return f"      # no entry for {json.dumps(name)}: this name would be read as a pattern\n"
    entry = f"      {json.dumps(name)}: {{tier: {tier}, effect: {effect}}}{comment}\n"
    is_template = section == "resources" and "uri" not in descriptor
    return entry + (_expansions(name) if is_template else "")


def _expansions(template: str) -> str:
    """The entry for the URIs that the template expands to. A person decides: it may cover much."""
    head = template.partition("{")[0]
    if not head:
        return ""
    return f"      # {json.dumps(head + '*')}: {{tier: data, effect: read}}  # to read what it expands to\n"


def _judge(annotations: object) -> tuple[str, str, str]:
    """Tier, effect and the claim they rest on. Only a literal `true` or `false` is a claim."""
    claims = annotations if isinstance(annotations, Mapping) else {}
    if claims.get("readOnlyHint") is True:
        return "data", "read", "claims readOnlyHint: true"
    if claims.get("destructiveHint") is False:
        return "tool", "write", "claims destructiveHint: false"
    said = "claims destructiveHint: true" if "destructiveHint" in claims else "claims nothing"
    return "admin", "destroy", said
