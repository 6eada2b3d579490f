"""`bulkhead play STORY`: a story played against the real gateway and real tool servers, and told.

Exit status 1 when something did not go as the story says.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Final

import click

import gateway
from gateway.cli.options import json_option, need_scratch, print_json

SCENARIOS: Final = Path(gateway.__file__).resolve().parents[1] / "scenarios"


@click.command()
@click.argument("story")
@json_option
def command(story: str, as_json: bool) -> None:
    """Play STORY (a name under scenarios/, or a path) in a fresh world and tell what happened."""
    import anyio

    from gateway.cli import play_text
    from gateway.stories import story as stories
    from gateway.stories.play import play

    here = Path("scenarios")
    told = stories.read(stories.find(story, here if here.is_dir() else SCENARIOS))
    teller = None if as_json else play_text.Teller()
    need_scratch()
    # What the gateway warns of on the way stands in the story itself.
    logging.getLogger("bulkhead").addHandler(logging.NullHandler())
    played = anyio.run(play, told, teller)
    if teller is None:
        print_json(play_text.as_json(played))
    else:
        teller.ends(played)
    sys.exit(0 if played.proven else 1)
