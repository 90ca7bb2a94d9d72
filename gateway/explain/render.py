"""An explanation for a terminal: one line a step, details below, hints last. Every text of a device was escaped
before."""

import difflib
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table as RichTable
from rich.text import Text

from gateway.explain.report import Hint, Mark, Report, Step, Table
from gateway.explain.shown import count, shown

MARKS: Final = {
    Mark.OK: ("✓", "green"),
    Mark.FAIL: ("✗", "bold red"),
    Mark.NONE: ("–", "dim"),
    Mark.WARN: ("!", "yellow"),
}
_PLAIN: Final = {Mark.OK: "ok", Mark.FAIL: "NO", Mark.NONE: "-", Mark.WARN: "!"}
_INDENT: Final = 5


def render(report: Report, console: Console) -> None:
    """Write the explanation; everything is `Text`, so that nothing is read as markup (R29)."""
    for note in report.notes:
        console.print(_line(Text("! ", "yellow"), Text(f"capture: {note}")))
    if report.notes:
        console.print()
    for number, step in enumerate(report.steps, 1):
        console.print(_heading(number, step, console))
        if step.facts:
            console.print(_indented(_facts(step.facts)))
        if step.table is not None and step.table.rows:
            console.print(_indented(_table(step.table, console)))
        if step.octets is not None:
            _base(step.octets, console)
            if report.signed_base is not None and report.signed_base != step.octets:
                _difference(step.octets, report.signed_base, console)
    if report.hints:
        console.print()
        console.print(Text("What to change" if not report.verdict.accepted else "Worth a look", "bold"))
        for number, hint in enumerate(report.hints, 1):
            console.print(_hint(number, hint))
    elif not report.verdict.accepted and report.attempts:
        console.print()
        console.print(_line(Text("! ", "yellow"), _unknown(report)))


def _unknown(report: Report) -> Text:
    return Text(
        f"None of the known mistakes explains it ({count(report.attempts, 'attempt')} made). Let the device print the"
        " base that it signs and compare it: wfm-gateway explain ... --base-only | diff - device-base.txt"
    )


def _mark(mark: Mark, console: Console) -> Text:
    sign, style = MARKS[mark]
    return Text(sign if _can_show(console) else _PLAIN[mark], style)


def _can_show(console: Console) -> bool:
    try:
        "✓✗–─".encode(console.encoding)
    except UnicodeEncodeError:
        return False
    return True


def _heading(number: int, step: Step, console: Console) -> RenderableType:
    style = "bold red" if step.mark is Mark.FAIL else "dim" if step.mark is Mark.NONE else ""
    return _line(
        Text.assemble((f"{number:2} ", "dim"), _mark(step.mark, console), " "),
        Text.assemble((f"{step.title}: ", "bold"), (step.summary, style)),
    )


def _line(left: Text, right: RenderableType) -> RenderableType:
    grid = RichTable.grid(padding=0)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(left, right)
    return grid


def _indented(inner: RenderableType) -> Padding:
    return Padding(inner, (0, 0, 0, _INDENT))


def _facts(facts: tuple[tuple[str, str], ...]) -> RenderableType:
    grid = RichTable.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts:
        grid.add_row(Text(name), Text(value))
    return grid


def _table(table: Table, console: Console) -> RenderableType:
    grid = RichTable(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
    grid.add_column("", no_wrap=True)
    for column in table.columns:
        grid.add_column(Text(column), overflow="fold")
    for mark, cells in table.rows:
        grid.add_row(_mark(mark, console), *(Text(cell, "red" if mark is Mark.FAIL else "") for cell in cells))
    return grid


def _base(octets: bytes, console: Console) -> None:
    """Line by line, at column 0 and never folded: it must be possible to copy it."""
    console.print(Rule(style="dim", characters="─" if _can_show(console) else "-"))
    for line in octets.split(b"\n"):
        console.print(Text(shown(line)), soft_wrap=True)
    console.print(Rule(style="dim", characters="─" if _can_show(console) else "-"))


def _difference(computed: bytes, signed: bytes, console: Console) -> None:
    """Found by trying: only the lines that differ, never folded."""
    console.print(Text("What the device signed (+), where the gateway computes (-):", "bold"))
    for line in difflib.ndiff(_visible(computed), _visible(signed)):
        if line[:1] in "+-":
            console.print(Text(line, "green" if line[0] == "+" else "red"), soft_wrap=True)


def _visible(octets: bytes) -> list[str]:
    lines = octets.split(b"\n")
    return [shown(line) + ("\\n" if number < len(lines) else "") for number, line in enumerate(lines, 1)]


def _hint(number: int, hint: Hint) -> RenderableType:
    rows = [("found", hint.found), ("proof" if hint.proven else "unproven", hint.proof)]
    if hint.device:
        rows.append(("device", hint.device))
    if hint.gateway:
        rows.append(("gateway", hint.gateway))
    style = "bold green" if hint.proven else "bold yellow"
    title = Text.assemble((hint.title, style), (f"  [{hint.code}]", "dim"))
    return Group(_line(Text(f"{number:2} "), title), _indented(_facts(tuple(rows))))
