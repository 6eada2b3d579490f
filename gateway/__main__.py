"""Entry point of the `bulkhead` command: runs it and turns our errors into one line and an exit status.

Exit status 2: the operator's files, machine or words are wrong. 1: refused, or a check failed.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from typing import Final

import click

from gateway.cli import root
from gateway.cli.options import print_no_more
from gateway.errors import JournalError, Misconfigured, Refused

FULL: Final = (errno.ENOSPC, errno.EDQUOT)
SHORT: Final = (*FULL, errno.EMFILE, errno.ENFILE)
"""What the machine has no more of, whatever it was for."""


def main() -> None:
    """Run one command. Never shows a traceback for an error we raise on purpose, nor for a file that cannot be had."""
    # Nobody else's code reads along what the operator's files say; nor is all that is installed searched for it.
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What the terminal's encoding has no sign for is escaped: no command ends half way for it.
            stream.reconfigure(errors="backslashreplace")
    if os.getpid() == 1:
        # The kernel keeps from the first process, as of a container, what it does not listen for.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        root.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except (Misconfigured, JournalError) as error:
        click.echo(f"bulkhead: {error}", err=True)
        sys.exit(2)
    except Refused as error:
        click.echo(f"bulkhead: {error}", err=True)
        sys.exit(1)
    except OSError as error:
        if error.filename is None and error.errno not in SHORT:
            raise
        # A state directory that is another user's, most of all; or output into a file on a full disk.
        named = f"{error.filename}: " if error.filename is not None else ""
        click.echo(f"bulkhead: {named}{error.strerror}", err=True)
        if error.errno in FULL:
            print_no_more()
        sys.exit(2)


if __name__ == "__main__":
    main()
