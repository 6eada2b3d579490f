from __future__ import annotations

from pathlib import Path
from typing import Any

from gateway.core.model import Effect, Tier
from gateway.policy import tiers
from gateway.policy.draft import draft_tiers


def tool(name: str, **annotations: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {}, "annotations": annotations}


def drafted(home: Path, *descriptors: dict[str, Any]) -> dict[str, tuple[Tier, Effect]]:
    """The draft as tiers.yaml itself reads it."""
    path = home / "tiers.yaml"
    path.write_text(draft_tiers("git", descriptors))
    sections = tiers.read(path)["git"]
    return {
        line.text: (line.entry.tier, line.entry.effect)
        for lines in sections.values()
        for line in lines
    }


def test_claims_choose_the_line_and_silence_is_the_worst(tmp_path: Path) -> None:
    found = drafted(
        tmp_path,
        tool("reads", readOnlyHint=True),
        tool("adds", destructiveHint=False),
        tool("destroys", destructiveHint=True),
        {"name": "silent", "inputSchema": {}},
        tool("lies", readOnlyHint="true", destructiveHint=0),
    )
    assert found == {
        "reads": (Tier.DATA, Effect.READ),
        "adds": (Tier.TOOL, Effect.WRITE),
        "destroys": (Tier.ADMIN, Effect.DESTROY),
        "silent": (Tier.ADMIN, Effect.DESTROY),
        "lies": (Tier.ADMIN, Effect.DESTROY),
    }


def test_prompts_and_resources_have_their_sections(tmp_path: Path) -> None:
    text = draft_tiers(
        "git", [{"name": "p"}, {"uri": "file:///a", "name": "a"}, {"uriTemplate": "file:///{p}"}]
    )
    (tmp_path / "tiers.yaml").write_text(text)
    sections = tiers.read(tmp_path / "tiers.yaml")["git"]
    assert [line.text for line in sections["prompts"]] == ["p"]
    assert [line.text for line in sections["resources"]] == ["file:///a", "file:///{p}"]


def test_what_a_template_expands_to_is_proposed_for_a_person_to_let_in(tmp_path: Path) -> None:
    text = draft_tiers("git", [{"uriTemplate": "notes://all/{id}"}, {"uriTemplate": "{any}://x"}])
    (tmp_path / "tiers.yaml").write_text(text.replace('# "', '"'))
    resources = tiers.read(tmp_path / "tiers.yaml")["git"]["resources"]
    assert [line.text for line in resources] == ["notes://all/{id}", "{any}://x", "notes://all/*"]
    assert '# "notes://all/*"' in text


def test_what_several_templates_expand_to_can_be_let_in_together(tmp_path: Path) -> None:
    names = ["notes://{id}", "notes://{id}/b", "notes://old/{id}"]
    text = draft_tiers("git", [{"uriTemplate": name} for name in names])
    (tmp_path / "tiers.yaml").write_text(text.replace('# "', '"'))
    resources = tiers.read(tmp_path / "tiers.yaml")["git"]["resources"]
    assert {line.text for line in resources} == {*names, "notes://*", "notes://old/*"}


def test_what_only_says_that_it_is_a_template_too_has_no_second_entry() -> None:
    also = {"uriTemplate": "{any}"}
    odd = draft_tiers("git", [{**tool("wipe"), **also}, {"uri": "file:///a", **also}])
    assert '*"' not in odd


def test_a_name_that_would_be_a_pattern_or_break_the_file_gets_no_entry(tmp_path: Path) -> None:
    bad = ["*", "git_*", "a|b", "a\nb: {tier: data, effect: read}", "", "\u202eevil"]
    found = drafted(tmp_path, tool("fine"), *(tool(name, readOnlyHint=True) for name in bad))
    assert list(found) == ["fine"]


def test_the_draft_says_what_it_rests_on() -> None:
    text = draft_tiers("git", [tool("reads", readOnlyHint=True)])
    assert "They are claims, not facts" in text
    assert "# claims readOnlyHint: true" in text
