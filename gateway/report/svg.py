"""The frame of a plot: elements of SVG, escaped, with colours that hold in light and dark."""

from collections.abc import Sequence
from html import escape
from typing import Final

WIDTH: Final = 760
"""Width of every plot in its own units, which are pixels at full size."""
LETTER: Final = 6.7
"""About how wide a letter is, in the same units: there is no font to ask."""
COLOURS: Final = 6
"""How many series can be told apart."""

# Blue, orange, green, purple, sky and vermilion: apart from each other for colour-blind readers, too.
STYLE: Final = """
.plot{--ink:#24292f;--soft:#57606a;--line:#d8dee4;--c0:#2f6fb3;--c1:#d9822b;--c2:#2a9d72;--c3:#8f5aa8;--c4:#5fb0d9;
--c5:#c44536;font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
max-width:100%;height:auto}
@media (prefers-color-scheme:dark){.plot{--ink:#e6edf3;--soft:#9da7b1;--line:#3a434d;--c0:#6aa9e9;--c1:#f0a458;
--c2:#57c99c;--c3:#bf93d6;--c4:#93d4f2;--c5:#ee8172}}
.plot text{fill:var(--ink)}.plot .soft{fill:var(--soft)}.plot .name{font-weight:600;font-size:14px}
.plot .grid{stroke:var(--line);stroke-width:1}.plot .axis{stroke:var(--soft);stroke-width:1}
.plot .whisker{stroke:var(--ink);stroke-width:1}
.plot .curve{fill:none;stroke-width:2;stroke-linejoin:round}
""" + "".join(
    f".plot .f{number}{{fill:var(--c{number})}}.plot .s{number}{{stroke:var(--c{number})}}" for number in range(COLOURS)
)


def document(title: str, height: float, parts: Sequence[str], *, alone: bool) -> str:
    """The whole element. `alone`: for a file of its own, with the colours in it; else the page has `STYLE`."""
    style = f"<style>{STYLE}</style>" if alone else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" role="img" width="{WIDTH}" height="{height:g}" '
        f'viewBox="0 0 {WIDTH} {height:g}"><title>{escape(title)}</title>{style}'
        f"{text(0, 16, title, css='name')}{''.join(parts)}</svg>\n"
    )


def text(x: float, y: float, words: str, *, css: str = "", anchor: str = "start") -> str:
    """Words with their base line at `y`; `anchor` is start, middle or end."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}">{escape(words)}</text>'


def rect(x: float, y: float, width: float, height: float, css: str, hint: str = "") -> str:
    """A filled box; `hint` is shown under the pointer."""
    inside = f"<title>{escape(hint)}</title>" if hint else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}" class="{css}">{inside}</rect>'
    )


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """A straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{css}"/>'


def legend(names: Sequence[str], y: float) -> str:
    """What each colour means, in one row."""
    parts, x = [], 0.0
    for number, name in enumerate(names):
        parts += [rect(x, y - 9, 10, 10, f"f{number % COLOURS}"), text(x + 15, y, name)]
        x += 33 + LETTER * len(name)
    return "".join(parts)
