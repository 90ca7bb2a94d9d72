"""How many requests may be sent a second time: a share of all, so that retries do not finish off what is overloaded."""

from typing import Final

RESERVE: Final = 10.0
"""Retries that may come at once after a quiet time."""


class RetryBudget:
    """Every request earns a share of a retry.

    :param percent: how many retries there may be for 100 requests
    """

    __slots__ = ("_earned", "_share")

    def __init__(self, percent: int) -> None:
        self._share = percent / 100
        self._earned = RESERVE if percent else 0.0

    def earn(self) -> None:
        """A request has come."""
        self._earned = min(RESERVE, self._earned + self._share)

    def spend(self) -> bool:
        """Take one retry; False if there is none left."""
        if self._earned < 1.0:
            return False
        self._earned -= 1.0
        return True
