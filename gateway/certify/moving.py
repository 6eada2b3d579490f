"""A server started on a scratch world instead of the real one. It knows no ground."""

from __future__ import annotations

from pathlib import Path

from gateway.settings import ServerSettings


def moved(settings: ServerSettings, word: str, world: Path) -> ServerSettings:
    """The settings with one path of the command, and of the pack's values, changed to the scratch world."""
    command = tuple(str(world) if each == word else each for each in settings.command or ())
    undo = {name: str(world) if value == word else value for name, value in settings.undo.items()}
    return settings.model_copy(update={"command": command, "undo": undo, "cwd": str(world)})
