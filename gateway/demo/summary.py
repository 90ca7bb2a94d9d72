"""What a run came to: one value for the JSON object, the text and the exit status."""

from typing import Any

import msgspec

from gateway.demo.tally import Tally


class Told(msgspec.Struct, frozen=True):
    """What became of the newcomers."""

    onboarded: int = 0
    rotated: int = 0
    revoked: int = 0


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The result. `sent_s` is how long requests were sent; `backend_requests` are the signed ones that the WFM counted,
    None if it does not tell any more; `trouble` says what ended the run early, if anything."""

    devices: int
    asked_rate_per_s: float
    sent_s: float
    interrupted: bool
    backend_requests: int | None
    tally: Tally
    told: Told = Told()
    trouble: str = ""

    @property
    def leaked(self) -> int:
        """Requests that reached the WFM although their answer was not the WFM's (R16). Requests without an answer may
        have reached it."""
        if self.backend_requests is None:
            return 0
        unanswered = sum(n for (_, _, got), n in self.tally.verdicts.items() if got.startswith("no answer"))
        return max(0, self.backend_requests - self.tally.signed_accepted - unanswered)

    @property
    def missing(self) -> int:
        """Requests that were accepted by somebody who is not the WFM."""
        return 0 if self.backend_requests is None else max(0, self.tally.signed_accepted - self.backend_requests)

    @property
    def good(self) -> bool:
        """Every verdict was the expected one, nothing leaked or got lost, nothing broke."""
        return not (self.tally.mismatches or self.leaked or self.missing or self.trouble)

    def document(self) -> dict[str, Any]:
        """The JSON object."""
        tally = self.tally
        return {
            "ok": self.good,
            "trouble": self.trouble,
            "interrupted": self.interrupted,
            "devices": self.devices,
            "seconds": round(self.sent_s, 3),
            "requests": tally.all.count,
            "requests_per_s": round(tally.all.count / self.sent_s, 1) if self.sent_s else 0.0,
            "asked_requests_per_s": self.asked_rate_per_s,
            "newcomers": {"onboarded": self.told.onboarded, "rotated": self.told.rotated, "revoked": self.told.revoked},
            "accepted": tally.accepted,
            "refused": tally.all.count - tally.accepted,
            "mismatches": tally.mismatches,
            "backend_requests": self.backend_requests,
            "leaked_to_backend": self.leaked,
            "missing_at_backend": self.missing,
            "latency_ms": {
                "p50": round(tally.all.quantile_ms(0.5), 2),
                "p99": round(tally.all.quantile_ms(0.99), 2),
                "max": round(1000 * tally.all.longest_s, 2),
            },
            "load_generator_lag_ms": round(1000 * tally.worst_lag_s, 2),
            "verdicts": [
                {"request": kind, "expected": expected, "got": got, "count": count}
                for (kind, expected, got), count in sorted(tally.verdicts.items())
            ],
            "algorithms": {
                name: {
                    "requests": latencies.count,
                    "p50_ms": round(latencies.quantile_ms(0.5), 2),
                    "p99_ms": round(latencies.quantile_ms(0.99), 2),
                }
                for name, latencies in sorted(tally.by_algorithm.items())
            },
        }
