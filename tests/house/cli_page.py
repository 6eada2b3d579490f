"""docs/reference/cli.md, made from the commands themselves. `make docs` writes it; a test compares."""

from __future__ import annotations

from collections.abc import Iterator

import click

from gateway.cli import COMMANDS, root
from tests.house.source import GATEWAY, ROOT

PAGE = ROOT / "docs" / "reference" / "cli.md"

HEAD = """\
# The command line

Made from the commands themselves by `make docs`. Every command takes `--help`.

Exit status: 0 done; 1 refused, a check failed, or nothing on record goes by the id that was typed; 2 the settings, the
policy, the machine or the words typed are wrong (one line says what, with file and line where there is one); 130
interrupted.
"""


def text() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_all()])


def _all() -> Iterator[str]:
    context = click.Context(root, info_name="bulkhead")
    for name in COMMANDS:
        # A command stands in the table before its room is built; the page shows what there is.
        if (GATEWAY / "cli" / f"{name}.py").exists():
            command = root.get_command(context, name)
            assert command is not None
            yield from _section(command, f"bulkhead {name}", 2)


def _section(command: click.Command, path: str, level: int) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"{'#' * level} `{path}`\n"
    yield f"{_paragraphs(command.help)}\n"
    yield f"```\n{path} {usage}\n```\n"
    rows = [_row(parameter, context) for parameter in command.params]
    if shown := [row for row in rows if row]:
        yield "| option | meaning |\n|---|---|\n" + "\n".join(shown) + "\n"
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _section(command.commands[name], f"{path} {name}", level + 1)


def _row(parameter: click.Parameter, context: click.Context) -> str:
    record = parameter.get_help_record(context)
    if record is None or "--help" in parameter.opts:
        return ""
    option, meaning = (part.replace("|", "\\|") for part in record)
    return f"| `{option}` | {' '.join(meaning.split())} |"


def _paragraphs(help_text: str | None) -> str:
    blocks = (help_text or "").replace("\b", "").strip().split("\n\n")
    return "\n\n".join(" ".join(block.split()) for block in blocks)


if __name__ == "__main__":
    PAGE.write_text(text())
