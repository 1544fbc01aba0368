"""The look of all pictures.

Equal input gives equal bytes (one matplotlib version provided): the font is the one matplotlib brings, a person's own
matplotlibrc is left aside, no date or software name is written. No display and no global figure is involved: a server
may draw from any thread.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's palette (2008): told apart with any colour vision. Its yellow is too light on white and left out.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#5D5D5D")
MODEL, BASELINE, DRUM = "#0072B2", "#B8BDC4", "#5D5D5D"
INK, SOFT, LINE, KEYS = "#22262B", "#6B737C", "#C9CED4", "#F3F5F7"
DOTS_PER_INCH = 160
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
}
# matplotlib's settings are global to the process.
_LOCK = threading.Lock()


@contextmanager
def figure_at(path: Path, width: float, height: float, title: str, subtitle: str) -> "Iterator[Figure]":
    """A figure in inches with its heading; written when the block ends well."""
    import matplotlib
    from matplotlib.figure import Figure

    with _LOCK, matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        figure = Figure((width, height), dpi=DOTS_PER_INCH, layout="constrained", facecolor="white")
        figure.get_layout_engine().set(rect=(0.004, 0, 0.992, 1 - 0.62 / height))  # type: ignore[union-attr, call-arg]
        figure.text(0.14 / width, 1 - 0.13 / height, drawable(title), fontsize=13, weight="bold", va="top")
        figure.text(0.14 / width, 1 - 0.40 / height, drawable(subtitle), fontsize=9, color=SOFT, va="top")
        yield figure
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="png", metadata={"Software": None})


def drawable(text: str) -> str:
    """The text with a box for what the font lacks: a Chinese title must not fill the log with warnings."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties(family="DejaVu Sans")))
    return "".join(letter if font.get_char_index(ord(letter)) else "□" for letter in text if letter.isprintable())
