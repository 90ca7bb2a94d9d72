"""One line of the table: what was to be reached, what was reached, and how far the rounds lay apart."""

import statistics
from collections.abc import Sequence
from typing import Literal

import msgspec

Verdict = Literal["met", "missed", "reported", "skipped"]


class Row(msgspec.Struct, frozen=True):
    """`rounds` are the values behind `measured`, in their order."""

    measure: str
    bar: str
    measured: str
    spread: str
    verdict: Verdict
    rounds: tuple[float, ...] = ()
    note: str = ""


def at_most(measure: str, bar: float, rounds: Sequence[float], unit: str = "", digits: int = 2, note: str = "") -> Row:
    """A measure that should be small."""
    good = statistics.median(rounds) <= bar
    return _judged(measure, f"≤ {bar:g}{unit}", good, rounds, unit, digits, note)


def at_least(measure: str, bar: float, rounds: Sequence[float], unit: str = "", digits: int = 2, note: str = "") -> Row:
    """A measure that should be great."""
    good = statistics.median(rounds) >= bar
    return _judged(measure, f"≥ {bar:g}{unit}", good, rounds, unit, digits, note)


def reported(
    measure: str, rounds: Sequence[float], unit: str = "", digits: int = 2, note: str = "", text: str = ""
) -> Row:
    """A measure without a bar; `text` instead of the median where one number does not say it."""
    middle, apart = _told(rounds, unit, digits) if rounds else ("", "")
    return Row(measure, "reported", text or middle, apart, "reported", tuple(rounds), note)


def skipped(measure: str, bar: str, why: str) -> Row:
    """A measure that could not be taken here."""
    return Row(measure, bar, "-", "-", "skipped", (), why)


def judged(one: Row) -> dict[str, str]:
    """Its columns, without what was measured and without the note."""
    return {"bar": one.bar, "measured": one.measured, "middle half": one.spread, "": one.verdict}


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Round by round."""
    return [a / b for a, b in zip(above, below, strict=True)]


def _judged(measure: str, bar: str, good: bool, rounds: Sequence[float], unit: str, digits: int, note: str) -> Row:
    middle, apart = _told(rounds, unit, digits)
    return Row(measure, bar, middle, apart, "met" if good else "missed", tuple(rounds), note)


def _told(rounds: Sequence[float], unit: str, digits: int) -> tuple[str, str]:
    middle = f"{statistics.median(rounds):,.{digits}f}{unit}"
    if len(rounds) < 2:
        return middle, "one round"
    low, _, high = statistics.quantiles(rounds, n=4, method="inclusive")
    return middle, f"{low:,.{digits}f} to {high:,.{digits}f}"
