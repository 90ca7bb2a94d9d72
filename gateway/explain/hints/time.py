"""Clocks: skew, time zones, milliseconds, clocks that were never set (R12)."""

from collections.abc import Iterator
from typing import Final

from gateway.explain import moments
from gateway.explain.facts import Facts
from gateway.explain.report import Hint
from gateway.explain.signed import Signed

_UNITS: Final = ((1_000, "milliseconds"), (1_000_000, "microseconds"), (1_000_000_000, "nanoseconds"))
_HOUR_S: Final = 3600
# Hours first; then the zones with a fraction. More would make the window of a few minutes fit by chance.
_ZONES_H: Final = (
    *sorted((*range(-12, 0), *range(1, 15)), key=abs),
    *(sign * zone_h for zone_h in (5.5, 5.75, 9.5, 3.5, 4.5, 6.5, 10.5, 2.5) for sign in (1, -1)),
)
_UNSET_S: Final = 1_500_000_000
"""2017: whoever signs earlier than that has a clock that nobody has set."""
_NTP_S: Final = 2_208_988_800
"""Seconds from 1900 to 1970 (RFC 5905 §6)."""


def hints(facts: Facts, signed: Signed) -> Iterator[Hint]:
    """What is wrong with created and expires at the moment of the explanation."""
    created = signed.created
    if created is None:
        if facts.focus is not None and facts.focus.reason is None:
            yield Hint(
                code="created-missing",
                title="The signature does not say when it was made",
                found="there is no created parameter",
                proof="the parameters of the signature",
                proven=True,
                device="send ;created=<seconds since 1970>, and sign it with the other parameters",
            )
        return
    if not _in_window(facts, created):
        yield _clock(facts, created)
    expires = facts.focus.expires if facts.focus is not None else None
    if expires is not None and expires < created:
        yield _expires(
            f"expires is {moments.span(created - expires)} before created", "let expires be later than created"
        )
    elif expires is not None and facts.now_s > expires and _in_window(facts, created):
        yield _expires(
            f"expires was {moments.relative(expires, facts.now_s)}, {moments.span(expires - created)} after created",
            "let expires be later, leave it out, or sign again before a retry",
        )


def _in_window(facts: Facts, created: int) -> bool:
    policy = facts.config.policy
    age_s = facts.now_s - created
    return -policy.clock_skew_s <= age_s <= policy.max_age_s + policy.clock_skew_s


def _clock(facts: Facts, created: int) -> Hint:
    age_s = facts.now_s - created
    for factor, unit in _UNITS:
        if _in_window(facts, created // factor) or (created > 10**11 and _sensible(created // factor)):
            return _hint(
                facts,
                "created-unit",
                f"created is in {unit}",
                f"created={created} would be {moments.absolute(created)}; divided by {factor} it is "
                f"{moments.both(created // factor, facts.now_s)}",
                _in_window(facts, created // factor),
                f"send whole seconds since 1970: created={created // factor} (RFC 9421 section 2.3)",
            )
    if _in_window(facts, created - _NTP_S):
        return _hint(
            facts,
            "created-epoch",
            "created counts from 1900",
            f"created={created}, less {_NTP_S} it is {moments.both(created - _NTP_S, facts.now_s)}",
            True,
            "count from 1970 (Unix time), not from 1900 (NTP time)",
        )
    if created < _UNSET_S:
        return _hint(
            facts,
            "clock-unset",
            "The device's clock was never set",
            f"created={created} is {moments.absolute(created)}",
            False,
            "set the clock (NTP) before the first request; many devices have no battery-backed clock",
        )
    for zone_h in _ZONES_H:
        shift_s = int(zone_h * _HOUR_S)
        if _in_window(facts, created - shift_s):
            hours = f"{shift_s / 3600:+g} h"
            return _hint(
                facts,
                "time-zone",
                f"created is off by {hours}: local time taken for UTC",
                f"created is {moments.both(created, facts.now_s)}; shifted by {-shift_s / 3600:+g} h it is within the"
                " window",
                True,
                "count seconds since 1970 in UTC: time.time() in Python, Instant.now() in Java, date +%s; not a local"
                " time taken for UTC",
            )
    if age_s > 0:
        return _hint(
            facts,
            "too-old",
            f"created was {moments.span(age_s)} ago",
            f"created is {moments.both(created, facts.now_s)}",
            False,
            "sign each request, and each retry, when it is sent; check the device's clock (NTP). For an old capture,"
            " judge it as of its own time with --now created",
        )
    return _hint(
        facts,
        "clock-ahead",
        f"The device's clock is {moments.span(age_s)} ahead",
        f"created is {moments.both(created, facts.now_s)}",
        False,
        "check the device's clock (NTP)",
    )


def _sensible(moment: int) -> bool:
    return _UNSET_S < moment < 2 * _UNSET_S


def _hint(facts: Facts, code: str, title: str, found: str, proven: bool, device: str) -> Hint:
    policy = facts.config.policy
    window = f"policy.max_age_s = {policy.max_age_s}, policy.clock_skew_s = {policy.clock_skew_s}"
    return Hint(
        code=code,
        title=title,
        found=found,
        proof=(
            f"tried: read like that it is within the window ({window})"
            if proven
            else f"compared with the window ({window})"
        ),
        proven=proven,
        device=device,
        gateway="policy.max_age_s and policy.clock_skew_s set the window; they should not make up for a wrong clock",
    )


def _expires(found: str, device: str) -> Hint:
    return Hint(
        code="expired",
        title="The signature has expired by its own word",
        found=found,
        proof="expires is never extended by the skew",
        proven=True,
        device=device,
    )
