"""Counts acceptances on first contact, in the store, so that all workers together keep to one rate and one cap (R19).

The flow sends `count` when the policy said `Accept("tofu")`, and takes its onboarding further only if `judge` finds
nothing in the replies. Whenever no client comes of it, for whatever reason, it sends `undo`.
"""

from typing import Final, TypeAlias

from gateway.config.onboarding import Onboarding
from gateway.onboarding.verdict import Reject
from gateway.reasons import Reason
from gateway.registry.keys import tofu_key

Command: TypeAlias = tuple[bytes, ...]
_MINUTE_S: Final = 60


class FirstContact:
    """The bounds of one gateway."""

    def __init__(self, config: Onboarding) -> None:
        self._per_minute = config.tofu_per_minute
        self._clients = config.tofu_clients

    def count(self, realm: str, now: float) -> tuple[Command, Command, Command]:
        """Commands that count one more: in this minute, how long to remember that minute, and in all."""
        minute = tofu_key(realm, int(now) // _MINUTE_S)
        return (b"INCR", minute), (b"EXPIRE", minute, b"%d" % (2 * _MINUTE_S)), (b"INCR", tofu_key(realm))

    def judge(self, in_minute: int, in_all: int) -> Reject | None:
        """What the replies to both INCR mean."""
        if in_all > self._clients:
            return Reject(Reason.TRUST_FULL, f"{self._clients} clients came by first contact, which is the most")
        if in_minute > self._per_minute:
            return Reject(
                Reason.TRUST_RATE, f"{in_minute} first contacts in this minute, {self._per_minute} are allowed"
            )
        return None

    def undo(self, realm: str) -> Command:
        """The command that takes one from the count in all; that of the minute stays, because it bounds attempts."""
        return b"DECR", tofu_key(realm)
