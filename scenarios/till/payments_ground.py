"""Payments to try their pack with: `bulkhead undo certify payments --ground scenarios/till/payments_ground.py`.

Seen as the customer sees it, by reading the book: what is held, what is taken. A number that is used up stays so.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from gateway.settings import ServerSettings

NUMBERS = ("p-1", "p-2", "zoë", "a/b")


class Ground:
    """A book of a few payments."""

    def scratch(self, name: str, settings: ServerSettings, world: Path) -> ServerSettings:
        """The book is the command's last word."""
        command = (*(settings.command or ())[:-1], str(world / "payments.json"))
        return settings.model_copy(update={"command": command})

    def begin(self, world: Path, run: int, rng: Random) -> None:
        """Some were made before."""
        book = {
            number: {
                "amount": rng.randint(1, 900),
                "status": rng.choice(("authorised", "captured", "cancelled")),
            }
            for number in NUMBERS
            if rng.random() < 0.3
        }
        (world / "payments.json").write_text(json.dumps(book))

    def call(self, world: Path, run: int, rng: Random) -> tuple[str, dict[str, Any]]:
        """Mostly tries; now and then one is cancelled or its money taken."""
        payment = rng.choice(NUMBERS)
        tool = rng.choice(("authorise", "authorise", "authorise", "cancel", "capture"))
        if tool != "authorise":
            return tool, {"payment": payment}
        return tool, {"payment": payment, "amount": rng.randint(0, 900)}

    def see(self, world: Path, run: int) -> Mapping[str, str]:
        """What customers are without."""
        book = json.loads((world / "payments.json").read_text())
        return {
            number: f"{each['amount']} {each['status']}"
            for number, each in book.items()
            if each["status"] != "cancelled" and each["amount"]
        }
