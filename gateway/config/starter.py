"""The starter policy: rules, tests and undo packs for the reference servers, and the model each policy has a copy of.

A wheel carries it inside the package, a checkout beside it. It knows where the files are, not what they say.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGED: Final = Path(__file__).resolve().parents[1] / "starter"
STARTER: Final = _PACKAGED if _PACKAGED.is_dir() else _PACKAGED.parents[1] / "policies"
