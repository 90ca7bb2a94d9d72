"""What a run of a fleet came to: the JSON object, the last sentences, and the HTML report."""

from collections.abc import Iterator
from typing import Any

import msgspec

from gateway.demo.tally import ACCEPTED, Latencies
from gateway.fleet.run import Outcome
from gateway.fleet.schedule import Pace
from gateway.report import Line, lines
from gateway.report.axis import figure
from gateway.report.page import Section, page

QUANTILES = (0.5, 0.9, 0.99, 0.999)


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The result. `signers_cpu_s` is what the helpers used, `facts` name target, command, machine and versions."""

    pace: Pace
    outcome: Outcome
    signers_cpu_s: float
    facts: dict[str, str]

    @property
    def faults(self) -> int:
        """Answers that were not what they had to be."""
        return self.outcome.tally.mismatches

    @property
    def refused_as_expected(self) -> int:
        """Refusals of devices that misbehaved, for the right reason."""
        verdicts = self.outcome.tally.verdicts.items()
        return sum(count for (_, expected, got), count in verdicts if expected == got != ACCEPTED)

    @property
    def good(self) -> bool:
        """Something was sent, every answer was the one that had to be, and nothing broke."""
        return not self.faults and not self.outcome.trouble and self.outcome.tally.all.count > 0

    def words(self) -> Iterator[str]:
        """The sentences below the table."""
        outcome = self.outcome
        if outcome.trouble:
            yield f"The run ended early: {outcome.trouble}"
        yield (
            f"{outcome.accepted.count} requests were let through: {_latency(outcome.accepted)} "
            "(from when each was due, waiting for a connection included)."
        )
        if self.refused_as_expected:
            yield f"{self.refused_as_expected} requests of misbehaving devices were refused, each for the right reason."
        if outcome.back_s is not None:
            yield f"After the outage the fleet came back all at once; {outcome.back_s:.2f} s later all were served."
        yield f"{self.faults} faults: answers that were not the expected ones." if self.faults else "No faults."
        yield (
            f"Signed up to {outcome.ahead_s:g} s ahead in other processes ({self.signers_cpu_s:.1f} s of CPU), each "
            f"dated when it is due; sending and listening took {outcome.generator_cpu_s:.1f} s of CPU in "
            f"{outcome.sent_s:.1f} s, and was up to {1000 * outcome.lag.longest_s:.1f} ms late (median "
            f"{outcome.lag.quantile_ms(0.5):.1f} ms), "
            "which is in the latencies."
        )

    def document(self) -> dict[str, Any]:
        """The JSON object."""
        outcome, tally = self.outcome, self.outcome.tally
        return {
            "ok": self.good,
            "trouble": outcome.trouble,
            "interrupted": outcome.interrupted,
            **self.facts,
            "devices": self.pace.devices,
            "interval_s": self.pace.interval_s,
            "steady_requests_per_s": round(self.pace.requests_per_s, 1),
            "seconds": round(outcome.sent_s, 3),
            "requests": tally.all.count,
            "let_through": outcome.accepted.count,
            "refused_as_expected": self.refused_as_expected,
            "faults": self.faults,
            "latency_ms": _quantiles(outcome.accepted),
            "load_generator": {
                "lag_ms": _quantiles(outcome.lag),
                "cpu_s": round(outcome.generator_cpu_s, 2),
                "signed_ahead_s": outcome.ahead_s,
                "signers_cpu_s": round(self.signers_cpu_s, 2),
                "connections_opened": outcome.connections,
            },
            "served_after_outage_s": None if outcome.back_s is None else round(outcome.back_s, 3),
            "verdicts": self._verdicts(),
            "over_time": [msgspec.to_builtins(slice_) for slice_ in outcome.course.slices()],
        }

    def _verdicts(self) -> list[dict[str, Any]]:
        return [
            {"request": kind, "expected": expected, "got": got, "count": count}
            for (kind, expected, got), count in sorted(self.outcome.tally.verdicts.items())
        ]

    def html(self) -> str:
        """The report as one page."""
        outcome = self.outcome
        slices = outcome.course.slices()
        sections = [
            Section(
                "Result",
                answer=f"{self.pace.devices} devices, one poll each {self.pace.interval_s:g} s: "
                f"{'no faults' if not self.faults else f'{self.faults} faults'}, {_latency(outcome.accepted)}.",
                good=self.good,
                says=tuple(self.words()),
            ),
            Section("Verdicts", rows=self._verdicts()),
        ]
        if outcome.accepted.count:
            plots = [
                lines(
                    "Latency of what was let through",
                    "milliseconds from when it was due",
                    "% of requests that took no longer",
                    [Line("", ((0.0, 0.0), *((ms, 100 * share) for ms, share in outcome.accepted.curve())))],
                ),
                lines(
                    "Requests by when they were due",
                    "seconds",
                    "requests a second",
                    [Line("", tuple((slice_.at_s, slice_.requests_per_s) for slice_ in slices))],
                ),
                lines(
                    "Latency over time",
                    "seconds",
                    "milliseconds",
                    [
                        Line("median", tuple((slice_.at_s, slice_.p50_ms) for slice_ in slices)),
                        Line("99th of a hundred", tuple((slice_.at_s, slice_.p99_ms) for slice_ in slices)),
                    ],
                ),
            ]
            sections.insert(1, Section("Latency and load", plots=tuple(plots)))
        return page("A simulated fleet", self.facts, sections)


def _quantiles(latencies: Latencies) -> dict[str, float]:
    found = {f"p{100 * share:g}": round(latencies.quantile_ms(share), 3) for share in QUANTILES}
    return found | {"max": round(1000 * latencies.longest_s, 3)}


def _latency(latencies: Latencies) -> str:
    p50, p99 = latencies.quantile_ms(0.5), latencies.quantile_ms(0.99)
    return f"p50 {figure(p50)} ms, p99 {figure(p99)} ms, longest {figure(1000 * latencies.longest_s)} ms"
