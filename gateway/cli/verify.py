"""`bulkhead verify`: the offline verifier under the gateway's own command. It reads no settings and no state."""

from __future__ import annotations

import os
import sys

import click


@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Check warrants and proofs offline: --key KEY [--policy DIGEST] [--since NOTE] FILE...

    FILE is from `bulkhead warrant` or `bulkhead evidence prove`; with --since it is from `bulkhead evidence extends`,
    and --since-key KEY names the key of NOTE if that was another.

    Exit status: 0 authorised, bounded and reversible, or a proof that holds; 1 one of them is not; 2 the evidence is
    not sound. A proof says nothing of policies: with --policy it is not taken.
    """
    from gateway.evidence import verify

    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # it is closed: the exit status alone tells
    sys.exit(verify.main(arguments))
