"""The page a waiting call's link leads to: whom to ask. It says the same of every ticket, and nothing of any call.

No one is signed in here and nothing can be decided here: leave is given on the operators' own side.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.wire.agents.exchange import Reply

_PATH: Final = re.compile(r"/approvals/([a-z2-7]{25})")
_HEADERS: Final = (
    ("content-type", "text/html; charset=utf-8"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
)
_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Bulkhead: a call waits</title></head>
<body><h1>A call waits for a person</h1>
<p>An operator of this gateway looks at it and decides:</p>
<pre>bulkhead approvals show {ticket}</pre>
<p>Then let the agent go on. Until it is allowed, nothing is done.</p></body></html>
"""


def page(path: str) -> Reply | None:
    """The page at a path; None where there is none."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    return Reply(200, _PAGE.format(ticket=found[1]).encode(), _HEADERS, typed=True)
