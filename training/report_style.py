"""How the report's pictures look: matplotlib with Korean letters, for a light and for a dark page."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib import font_manager
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter


class Theme(NamedTuple):
    """The colours of a picture; the page's own are in templates/report.html."""

    surface: str
    ink: str
    quiet: str  # axes and what is written on them
    line: str  # the grid
    accent: str
    second: str
    mark: str  # the threshold


THEMES = {
    "light": Theme("#ffffff", "#26302e", "#66716e", "#e3e8e6", "#1f7a70", "#6f9fb8", "#c2571a"),
    "dark": Theme("#1b2321", "#e4ebe8", "#98a5a1", "#303a37", "#5fc4b4", "#86b4cf", "#f0a060"),
}
_WIDTH = 4.8  # inches: near what a phone shows, so that what is written stays legible there


def _load_font() -> tuple[str, frozenset[int]]:
    """Lets matplotlib draw with NanumGothic; its name and the characters it has."""
    package = importlib.util.find_spec("koreanize_matplotlib")  # importing it would change settings and call distutils
    assert package is not None
    assert package.origin is not None
    fonts = Path(package.origin).parent / "fonts"
    for file in ("NanumGothic.ttf", "NanumGothicBold.ttf"):
        font_manager.fontManager.addfont(str(fonts / file))
    font = font_manager.get_font(str(fonts / "NanumGothic.ttf"))
    return font.family_name, frozenset(font.get_charmap())


_FONT, _CHARACTERS = _load_font()


def style(theme: Theme) -> dict[str, Any]:
    """Settings for `matplotlib.rc_context`, under which a picture must be made and also saved."""
    return {
        "font.family": _FONT,
        "font.size": 10.5,
        "axes.unicode_minus": False,  # which the font lacks
        "axes.edgecolor": theme.line,
        "axes.labelcolor": theme.quiet,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.color": theme.line,
        "xtick.color": theme.line,
        "ytick.color": theme.line,
        "xtick.labelcolor": theme.quiet,
        "ytick.labelcolor": theme.quiet,
        "text.color": theme.ink,
        "lines.linewidth": 2,
        "lines.solid_capstyle": "round",
        "svg.fonttype": "path",  # who reads the page needs no font
        "svg.hashsalt": "maeum",  # the same figures make the same page
    }


def svg(figure: Figure) -> bytes:
    """The figure as an SVG file on a transparent ground."""
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return stream.getvalue()


def figure_of(height: float) -> Figure:
    """An empty figure so many inches high."""
    return Figure(figsize=(_WIDTH, height), constrained_layout=True)


def in_percent(axis: Any, ticks: int = 6) -> None:
    """Lets a matplotlib axis have at most so many ticks, which say 50% for 0.5."""
    axis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(PercentFormatter(1, decimals=0))


def drawable(text: str) -> str:
    """`text` with a box for what the font lacks, and no dollars that matplotlib would take for formulas."""
    return "".join(character if ord(character) in _CHARACTERS else "□" for character in text).replace("$", r"\$")


def luminance(colour: tuple[float, ...]) -> float:
    """How bright an RGB colour seems, from 0 to 1 (ITU-R BT.601)."""
    return float(np.dot(to_rgb(colour), (0.299, 0.587, 0.114)))
