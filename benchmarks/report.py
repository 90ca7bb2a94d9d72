"""Render RESULTS.md from all files in `results/`: `python -m benchmarks.report`."""

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TARGET = HERE / "RESULTS.md"
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
    """One result: machine, versions, command, table, sentences."""
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    says = "\n".join(f"* {sentence}" for sentence in result["says"])
    return (
        f"## {result['title']}\n\nMachine: {result['machine']}.  \nVersions: {versions}.  \n"
        f"Command: `{result['command']}`\n\n{table(result['rows'])}\n\n{says}\n"
    )


def render() -> str:
    """The whole page."""
    results = [json.loads(path.read_text()) for path in sorted((HERE / "results").glob("*.json"))]
    return "\n".join([HEAD, *[section(result) for result in results]])


if __name__ == "__main__":
    TARGET.write_text(render())
    print(f"wrote {TARGET.relative_to(Path.cwd()) if TARGET.is_relative_to(Path.cwd()) else TARGET}")
