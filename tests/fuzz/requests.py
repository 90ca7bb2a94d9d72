"""What hostile input must end in: a value, or a refusal with a reason of the table; and how large a value may be."""

from typing import Any

from gateway import _native as native
from gateway.reasons import Reason

REASONS = frozenset(Reason)


def judge(raw: bytes) -> str:
    """The reason for which a head, or what it carries, is refused; "accepted" otherwise. Anything but a refusal passes through.

    Whatever was read is touched, so that lazy work is done too, and what comes out is bounded by what went in.
    """
    try:
        head = native.parse_head(raw)
        assert sum(len(name) + len(value) for name, value in head.fields()) <= len(raw)
        native.parse_digest(head)
        candidates = native.select(head)
    except native.Refused as refused:
        return known(refused)
    assert len(candidates) <= 8
    reasons = [of_candidate(candidate, len(raw)) for candidate in candidates]
    return next((reason for reason in reasons if reason != "accepted"), "accepted")


def of_candidate(candidate: Any, size: int) -> str:
    if candidate.reason is not None:
        assert candidate.reason in REASONS
        return str(candidate.reason)
    # A serialisation is at most a little longer than what it was read from (`?1` is dropped, a decimal gets no digit more).
    assert len(candidate.params) <= size
    assert len(candidate.components) <= size
    try:
        base = candidate.base(b"https", b"wfm.example.com")
    except native.Refused as refused:
        return known(refused)
    # At most 32 components (R5), each at most all of the head in base64, or percent-encoded with U+FFFD for each octet.
    assert len(base) <= 33 * (9 * size + 200)
    return "accepted"


def known(refused: native.Refused) -> str:
    assert refused.reason in REASONS
    return str(refused.reason)
