"""Shows a run: a live table in a terminal, plain lines elsewhere, nothing at all beside `--json`."""

import contextlib
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import Progress
from rich.table import Column, Table
from rich.text import Text

from gateway.demo.summary import Summary
from gateway.demo.tally import Tally

REFRESH_S: Final = 0.25
"""How often `show` should be called."""
LINE_S: Final = 2.0
PATIENCE_S: Final = 2.0
"""Making keys shows a progress bar only if it takes longer."""


class Screen:
    """Everything that a person sees. `quiet` shows nothing but trouble."""

    def __init__(self, console: Console, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._live: Live | None = None
        self._next_line = 0.0

    def say(self, line: str) -> None:
        """One line; it is not wrapped, so that a command in it can be copied."""
        if not self._quiet:
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    @contextlib.contextmanager
    def counting(self, title: str, total: int) -> Iterator["Counting"]:
        """A progress bar for something slow."""
        counting = Counting(self._console if self._console.is_terminal and not self._quiet else None, title, total)
        try:
            yield counting
        finally:
            counting.close()

    @contextlib.contextmanager
    def table(self) -> Iterator[None]:
        """While open, `show` updates a table in place, if this is a terminal."""
        if self._quiet or not self._console.is_terminal:
            yield
            return
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def show(self, tally: Tally, elapsed_s: float, more: str = "") -> None:
        """The state of the run now; `more` stands behind it."""
        if self._live is not None:
            self._live.update(Group(self._tables(tally, elapsed_s), Text(more)), refresh=True)
        elif elapsed_s >= self._next_line:
            self._next_line = elapsed_s + LINE_S
            self.say(f"{headline(tally, elapsed_s)}  {more}".rstrip())

    def summarise(self, summary: Summary) -> None:
        """The last word."""
        self.conclude(summary.tally, summary.sent_s, _words(summary))

    def conclude(self, tally: Tally, sent_s: float, words: Iterable[str]) -> None:
        """The tables, and the sentences below them."""
        if self._quiet:
            return
        self._console.print(self._tables(tally, sent_s))
        for line in words:
            self.say(line)

    def _tables(self, tally: Tally, elapsed_s: float) -> RenderableType:
        style = box.ROUNDED if self._console.is_terminal else None
        verdicts = Table("request", "must be", _right("count"), _right("as it must"), "otherwise", box=style)
        for (kind, expected), gots in sorted(_by_kind(tally).items(), key=_good_first):
            wrong = ", ".join(f"{count} {got}" for got, count in sorted(gots.items()) if got != expected)
            verdicts.add_row(
                kind,
                Text(expected, style="green" if expected == "accepted" else "yellow"),
                str(gots.total()),
                str(gots[expected]),
                Text(wrong or "-", style="bold red" if wrong else ""),
            )
        algorithms = Table("algorithm", _right("requests"), _right("p50 ms"), _right("p99 ms"), box=style)
        for name, latencies in sorted(tally.by_algorithm.items()):
            quantiles = [f"{latencies.quantile_ms(share):.1f}" for share in (0.5, 0.99)]
            algorithms.add_row(name, str(latencies.count), *quantiles)
        # In a file or pipe nothing is wrapped: there is no width to fit into.
        wrapped = self._console.is_terminal
        line = Text(headline(tally, elapsed_s), "bold", no_wrap=not wrapped, overflow="fold" if wrapped else "ignore")
        return Group(line, verdicts, *([algorithms] if tally.by_algorithm else []))


class Counting:
    """A progress bar that appears only when it is worth it; without a `console` never."""

    def __init__(self, console: Console | None, title: str, total: int) -> None:
        self._console = console
        self._title = title
        self._total = total
        self._done = 0
        self._since = time.monotonic()
        self._progress: Progress | None = None

    def add(self, count: int) -> None:
        """So many more are done."""
        self._done += count
        if self._console is None:
            return
        if self._progress is None and time.monotonic() - self._since > PATIENCE_S:
            self._progress = Progress(console=self._console, transient=True)
            self._progress.start()
            self._task = self._progress.add_task(self._title, total=self._total)
        if self._progress is not None:
            self._progress.update(self._task, completed=self._done)

    def close(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()


def headline(tally: Tally, elapsed_s: float) -> str:
    """The run in one line."""
    count, latencies = tally.all.count, tally.all
    rate = count / elapsed_s if elapsed_s > 0 else 0.0
    return (
        f"{elapsed_s:5.1f} s  {count} requests  {rate:.0f}/s  {tally.accepted} accepted  "
        f"{count - tally.accepted} refused  {tally.mismatches} unexpected  "
        f"p50 {latencies.quantile_ms(0.5):.1f} ms  p99 {latencies.quantile_ms(0.99):.1f} ms"
    )


def _words(summary: Summary) -> Iterator[str]:
    if summary.trouble:
        yield f"The run ended early: {summary.trouble}"
    if summary.leaked:
        yield f"{summary.leaked} refused requests reached the WFM: this must never happen."
    elif summary.missing:
        yield f"{summary.missing} accepted signed requests never reached the WFM."
    elif summary.backend_requests is not None:
        yield f"The WFM saw {summary.backend_requests} signed requests, none of them a refused one."
    if summary.told.onboarded:
        yield (
            f"{summary.told.onboarded} unknown devices onboarded through the gateway; "
            f"{summary.told.rotated} rotated its certificate, {summary.told.revoked} was revoked."
        )
    if summary.tally.mismatches:
        yield f"{summary.tally.mismatches} verdicts were not the expected ones."
    elif summary.tally.all.count:
        yield f"All {summary.tally.all.count} verdicts were the expected ones."
    if summary.tally.worst_lag_s > 0.1:
        lag_s = summary.tally.worst_lag_s
        yield f"The load generator itself was up to {lag_s:.1f} s late, which is in the latencies: try a lower --rate."


def _by_kind(tally: Tally) -> dict[tuple[str, str], Counter[str]]:
    found: dict[tuple[str, str], Counter[str]] = {}
    for (kind, expected, got), count in tally.verdicts.items():
        found.setdefault((kind, expected), Counter())[got] += count
    return found


def _good_first(row: tuple[tuple[str, str], Counter[str]]) -> tuple[bool, str]:
    (kind, expected), _ = row
    return expected != "accepted", kind


def _right(title: str) -> Column:
    return Column(title, justify="right")
