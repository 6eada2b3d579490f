"""The one plot of the page: CPU of a small call through this gateway and through others, on a log scale.

The same rows give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

CONNECTIONS: Final = 64
OURS: Final = {"gateway": "Bulkhead", "gateway, stdio server": "Bulkhead, stdio server"}
COLOURS: Final = ("#2563ab", "#9aa3ad")


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Bars, the cheapest on top."""
    shown = [
        row for row in rows if row.get("connections") == CONNECTIONS and row["way"] != "direct"
    ]
    shown.sort(key=lambda row: -row["cpu_us"])
    figure = Figure(figsize=(8, 0.9 + 0.36 * len(shown)), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    costs = [row["cpu_us"] / 1e3 for row in shown]
    colours = [COLOURS[row["way"] not in OURS] for row in shown]
    bars = axes.barh([OURS.get(row["way"], row["way"]) for row in shown], costs, color=colours)
    axes.bar_label(bars, [f"{cost:.3g}" for cost in costs], padding=3)
    axes.set_xscale("log")
    axes.margins(x=0.12)
    axes.set_xlabel(f"CPU of one small call at {CONNECTIONS} connections, ms (log scale)")
    axes.spines[["top", "right"]].set_visible(False)
    with matplotlib.rc_context({"svg.hashsalt": "bulkhead", "svg.fonttype": "none"}):
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
