"""A report as one file that shows itself anywhere: pictures inside, no network, dark or light as the reader has it."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path

from musegen.evaluation.blocks import Block, Inline, Picture, body
from musegen.evaluation.canvas import DOTS_PER_INCH

_CSS_PIXELS_PER_INCH = 96
_STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5f6872; --paper: #ffffff; --card: #f4f6f8; --line: #d9dee3;
  --good: #0b6b45; --bad: #a63a00; --link: #0064a8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #9aa4ae; --paper: #14171a; --card: #1d2226;
  --line: #343b42; --good: #58c997; --bad: #ff9a5c; --link: #6cb8f0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem 1rem 4rem; max-width: 62rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.5rem; margin: 1.4rem 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; padding-top: .8rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { margin: .5rem 0; overflow-wrap: anywhere; }
a { color: var(--link); }
.soft { color: var(--soft); font-size: .9rem; }
p.good, p.bad { padding: .8rem 1rem; border-left: .35rem solid; border-radius: .4rem; background: var(--card);
  font-weight: 600; }
.good { color: var(--good); }
.bad { color: var(--bad); }
.table { overflow-x: auto; margin: .8rem 0; border: 1px solid var(--line); border-radius: .4rem; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .7rem; text-align: right; border-top: 1px solid var(--line); vertical-align: top; }
td { white-space: nowrap; }
td.text { text-align: left; white-space: normal; min-width: 9rem; max-width: 28rem; }
td.text:last-child { min-width: 17rem; }
small { display: block; color: var(--soft); font-size: .92em; }
thead th { border-top: 0; background: var(--card); color: var(--soft); font-weight: 600; vertical-align: bottom; }
tbody th { font-weight: 500; white-space: nowrap; }
th:first-child, thead th.text { text-align: left; }
figure { margin: 1rem 0; }
img { display: block; max-width: 100%; height: auto; background: #ffffff; border: 1px solid var(--line);
  border-radius: .4rem; }
figcaption { color: var(--soft); font-size: .85rem; margin-top: .3rem; }
.piece { display: flex; flex-wrap: wrap; gap: .4rem 1rem; align-items: center; padding: .4rem 0;
  border-bottom: 1px solid var(--line); }
.piece b { flex: 1 1 10rem; font-weight: 500; }
audio { height: 2.2rem; max-width: 100%; }
dl { font-size: .9rem; }
dt { font-weight: 600; margin-top: .6rem; }
dd { margin: 0; color: var(--soft); }
"""


def page(blocks: Sequence[Block], title: str, folder: Path | None = None) -> str:
    """The blocks as a whole HTML file; pictures that lie in `folder` become part of it, others stay addresses."""
    wanted = [block.path for block in blocks if isinstance(block, Picture)] if folder else []
    pictures = {path: _inline(folder / path) for path in wanted if folder and (folder / path).is_file()}
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body(blocks, pictures)}\n</body>\n</html>\n"
    )


def _inline(file: Path) -> Inline:
    """A PNG file; its width in dots stands in bytes 16 to 20."""
    content = file.read_bytes()
    width = round(int.from_bytes(content[16:20], "big") * _CSS_PIXELS_PER_INCH / DOTS_PER_INCH)
    return Inline(f"data:image/png;base64,{base64.b64encode(content).decode()}", width)
