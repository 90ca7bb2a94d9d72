"""Each promise of the threat model names tests that exist, so that none is held by a test that has gone."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT / "deploy" / "THREAT_MODEL.md"


def defined() -> set[str]:
    """Names of all test functions."""
    found: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        found.update(re.findall(r"^ *(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE))
    return found


def test_each_promise_is_held_by_tests_that_exist() -> None:
    rows = [line for line in DOCUMENT.read_text().splitlines() if re.match(r"\| \d+ \|", line)]
    assert [int(row.split("|")[1]) for row in rows] == list(range(1, len(rows) + 1))
    there = defined()
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row.split("|")[3])
        assert named, row
        assert set(named) <= there, set(named) - there
