"""One HTML page that needs nothing else: no script, no font, no picture from elsewhere; every value escaped (R29)."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import msgspec

from gateway.report import svg

_STYLE: Final = """
:root{color-scheme:light dark;--ink:#24292f;--soft:#57606a;--line:#d8dee4;--paper:#fff;--bad:#b3261e;--good:#1a7f37}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9da7b1;--line:#3a434d;--paper:#12171d;
--bad:#ff8f85;--good:#57c99c}}
body{margin:2rem auto;max-width:52rem;padding:0 1rem;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}p.soft,dt{color:var(--soft)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem}dd{margin:0;overflow-wrap:anywhere}
.wide{overflow-x:auto}table{border-collapse:collapse;margin:.6rem 0;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .9rem .2rem 0;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}figure{margin:1.2rem 0}
.answer{border-left:4px solid var(--good);padding:.2rem 1rem;font-size:1.05rem}.bad{border-color:var(--bad)}
"""
# No address is needed, so none is allowed, even if a value slipped through unescaped.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


class Section(msgspec.Struct, frozen=True):
    """A part of the page: sentences, a table whose rows have the same keys, and plots that `bars` and `lines` made.
    `answer` is set apart; `good` says in which colour."""

    title: str
    says: tuple[str, ...] = ()
    rows: Sequence[Mapping[str, Any]] = ()
    plots: tuple[str, ...] = ()
    answer: str = ""
    good: bool = True


def page(title: str, facts: Mapping[str, str], sections: Sequence[Section]) -> str:
    """The whole document. `facts` name the machine, the versions and the command."""
    told = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}{svg.STYLE}</style></head>"
        f"<body><h1>{escape(title)}</h1><dl>{told}</dl>{''.join(map(_section, sections))}</body></html>\n"
    )


def _section(section: Section) -> str:
    parts = [f"<section><h2>{escape(section.title)}</h2>"]
    if section.answer:
        parts.append(f'<p class="answer{"" if section.good else " bad"}">{escape(section.answer)}</p>')
    parts += [f"<figure>{plot}</figure>" for plot in section.plots]
    if section.rows:
        parts.append(_table(section.rows))
    parts += [f'<p class="soft">{escape(sentence)}</p>' for sentence in section.says]
    return "".join([*parts, "</section>"])


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    names = list(rows[0])
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    lines = ("".join(f"<td>{escape(str(row[name]))}</td>" for name in names) for row in rows)
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(f"<tr>{line}</tr>" for line in lines)}</table></div>'
