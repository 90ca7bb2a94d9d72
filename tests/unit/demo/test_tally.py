"""Verdicts and latencies are counted right, and one wrong verdict is enough to fail the run."""

import random

import pytest

from gateway.demo.summary import Summary
from gateway.demo.tally import Latencies, Tally
from gateway.demo.verdict import verdict
from gateway.reasons import Reason


def summary(tally: Tally, backend_requests: int | None, trouble: str = "") -> Summary:
    return Summary(
        devices=1,
        asked_rate_per_s=1,
        sent_s=2,
        interrupted=False,
        backend_requests=backend_requests,
        tally=tally,
        trouble=trouble,
    )


def test_quantiles_are_within_a_percent() -> None:
    chance = random.Random(7)
    values = [chance.lognormvariate(-6, 1) for _ in range(5000)]
    latencies = Latencies()
    for value in values:
        latencies.add(value)
    values.sort()
    assert latencies.quantile_ms(0.5) == pytest.approx(1000 * values[2499], rel=0.01)
    assert latencies.quantile_ms(0.99) == pytest.approx(1000 * values[4949], rel=0.01)
    assert latencies.longest_s == values[-1]
    assert Latencies().quantile_ms(0.5) == 0.0


def test_expected_verdicts_are_good() -> None:
    tally = Tally()
    tally.add("poll", "ed25519", None, "accepted", 0.01)
    tally.add("stale", "ed25519", Reason.POLICY_TOO_OLD, "policy.too_old", 0.01)
    good = summary(tally, 1)
    assert (good.good, tally.accepted, tally.mismatches) == (True, 1, 0)
    assert good.document()["requests_per_s"] == 1.0


@pytest.mark.parametrize("got", ["policy.from_future", "accepted", "status 500", "no answer (ServerDisconnectedError)"])
def test_another_verdict_than_the_expected_one_is_not(got: str) -> None:
    tally = Tally()
    tally.add("stale", "ed25519", Reason.POLICY_TOO_OLD, got, 0.01)
    assert tally.mismatches == 1
    assert not summary(tally, 0).good


@pytest.mark.parametrize(("arrived", "leaked", "missing"), [(1, 0, 0), (2, 1, 0), (0, 0, 1), (None, 0, 0)])
def test_what_the_backend_counted_must_fit(arrived: int | None, leaked: int, missing: int) -> None:
    tally = Tally()
    tally.add("poll", "ed25519", None, "accepted", 0.01)
    tally.add("root certificate", "", None, "accepted", 0.01)
    tally.add("stale", "ed25519", Reason.POLICY_TOO_OLD, "policy.too_old", 0.01)
    result = summary(tally, arrived)
    assert (result.leaked, result.missing) == (leaked, missing)
    assert result.good == (leaked == missing == 0)


def test_trouble_is_not_good() -> None:
    assert not summary(Tally(), 0, "the gateway ended by itself").good


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"{}", "accepted"),
        (304, b"", "accepted"),
        (401, b'{"reason":"replay.seen"}', "replay.seen"),
        (422, b'{"title":"of the WFM"}', "status 422"),
        (422, b'{"reason":', "status 422"),
        (502, b"<html>", "status 502"),
    ],
)
def test_verdicts(status: int, body: bytes, expected: str) -> None:
    assert verdict(status, body) == expected
