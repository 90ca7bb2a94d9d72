"""The tables of reasons and metrics in README.md: `python -m tests.support.readme` writes them anew."""

from pathlib import Path

from gateway.observe.table import METRICS, PREFIX
from gateway.reasons import TABLE

README = Path(__file__).parents[2] / "README.md"


def reasons() -> str:
    """One line per reason: name, status, sentence, remedy."""
    lines = ["| reason | status | what it means | what to do |", "|---|---|---|---|"]
    for reason, row in TABLE.items():
        status = str(row.status) if row.status else "exit 2"
        lines.append(f"| `{reason}` | {status} | {row.sentence} | {row.remedy} |")
    return "\n".join(lines) + "\n"


def metrics() -> str:
    """One line per metric: name with its labels, kind, what it says."""
    lines = ["| metric | kind | what it says |", "|---|---|---|"]
    for row in METRICS.values():
        labels = "{" + ", ".join(row.labels) + "}" if row.labels else ""
        lines.append(f"| `{PREFIX}{row.name}{labels}` | {row.kind} | {row.help} |")
    return "\n".join(lines) + "\n"


def with_tables(text: str) -> str:
    """The README with each table between its marks."""
    for name, table in (("reasons", reasons()), ("metrics", metrics())):
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
        before, _, rest = text.partition(begin)
        text = before + begin + table + end + rest.partition(end)[2]
    return text


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text()))
