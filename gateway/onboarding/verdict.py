"""What the trust policy can say of a certificate that asks to become a client (R19)."""

from typing import TypeAlias

import msgspec

from gateway.reasons import Reason


class Accept(msgspec.Struct, frozen=True):
    """Trusted by `rule` (`pinned`, `ca` or `tofu`). `tenant` is the label of its authority, "" without one.

    An acceptance by `tofu` still has to be counted, see `gateway.onboarding.tofu`.
    """

    rule: str
    tenant: str = ""


class Pending(msgspec.Struct, frozen=True):
    """Nothing speaks against it, and an operator has to approve it."""

    detail: str = ""


class Reject(msgspec.Struct, frozen=True):
    """No, for good: no other rule can heal it. `detail` is for the operator and never reaches the device."""

    reason: Reason
    detail: str = ""


Verdict: TypeAlias = Accept | Pending | Reject
Opinion: TypeAlias = Accept | Reject | None
"""What one rule says; None: no opinion."""
