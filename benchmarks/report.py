"""Render RESULTS.md and its plots from all files in `results/`: `python -m benchmarks.report`."""

import json
from pathlib import Path
from typing import Any

from benchmarks.plots import plots

HERE = Path(__file__).parent
TARGET = HERE / "RESULTS.md"
PLOTS = HERE / "plots"
HEAD = """# Results

Rendered by `python -m benchmarks.report` from the raw data in `results/`; do not edit. Every figure was taken on the
machine that its section names, in one run with what it is compared with. Take the ratios: absolute times drift on
shared machines.
"""


def table(rows: list[dict[str, Any]]) -> str:
    """A Markdown table of rows with the same keys."""
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "|".join(" --- " for _ in names) + "|"]
    lines += ["| " + " | ".join(str(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def section(result: dict[str, Any]) -> str:
    """One result: machine, versions, command, table, plots, sentences."""
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    says = "\n".join(f"* {sentence}" for sentence in result["says"])
    drawn = "".join(f"![{name}](plots/{name}.svg)\n\n" for name in plots(result))
    return (
        f"## {result['title']}\n\nMachine: {result['machine']}.  \nVersions: {versions}.  \n"
        f"Command: `{result['command']}`\n\n{table(result['rows'])}\n\n{drawn}{says}\n"
    )


def bars() -> str:
    """What is to be reached, out of all results; empty if none has a bar."""
    rows = [{**bar, "see": result["title"]} for result in results() for bar in result.get("bars", ())]
    return f"## What is to be reached\n\n{table(rows)}\n" if rows else ""


def render() -> str:
    """The whole page."""
    return "\n".join([HEAD, bars(), *[section(result) for result in results()]])


def results() -> list[dict[str, Any]]:
    """Every stored result, by name."""
    return [json.loads(path.read_text()) for path in sorted((HERE / "results").glob("*.json"))]


def draw() -> None:
    """Write the plots, and take away those that nothing shows any more."""
    wanted = {f"{name}.svg": svg for result in results() for name, svg in plots(result).items()}
    PLOTS.mkdir(exist_ok=True)
    for old in PLOTS.glob("*.svg"):
        if old.name not in wanted:
            old.unlink()
    for name, svg in wanted.items():
        (PLOTS / name).write_text(svg)


if __name__ == "__main__":
    TARGET.write_text(render())
    draw()
    print(f"wrote {TARGET.relative_to(Path.cwd()) if TARGET.is_relative_to(Path.cwd()) else TARGET}")
