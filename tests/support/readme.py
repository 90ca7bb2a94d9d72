"""The table of reasons in README.md: `python -m tests.support.readme` writes it anew."""

from pathlib import Path

from gateway.reasons import TABLE

README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- reasons -->\n", "<!-- /reasons -->\n"


def table() -> str:
    """One line per reason: name, status, sentence, remedy."""
    lines = ["| reason | status | what it means | what to do |", "|---|---|---|---|"]
    for reason, row in TABLE.items():
        status = str(row.status) if row.status else "exit 2"
        lines.append(f"| `{reason}` | {status} | {row.sentence} | {row.remedy} |")
    return "\n".join(lines) + "\n"


def with_table(text: str) -> str:
    """The README with the table between its marks."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    README.write_text(with_table(README.read_text()))
