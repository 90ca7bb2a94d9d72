"""Counts what becomes of requests in the page of one worker: one look-up and one native call a request."""

from typing import Final

from gateway._native import Head, Laps
from gateway.observe.page import Page
from gateway.observe.table import METHODS

ABANDONED: Final = 499
"""Status of a request whose client went away before its answer, as nginx writes it."""

NONE: Final = "none"
"""Label of what is not known or not there: a route, an algorithm, a method."""

_METHODS: Final = {name.encode(): name for name in METHODS}


class Meter:
    """Counts requests by route, method, status and verdict, and how long they took.

    Nothing that a sender chooses becomes a label: routes are those of the configuration, methods and algorithms closed
    lists, reasons those of the table; statuses are what the backend answers.
    """

    def __init__(self, page: Page) -> None:
        self._page = page
        self._finish = page.counters.finish
        self._stages = page.stages
        self._accepted = page.open("request_duration_seconds", "accepted")
        self._refused = page.open("request_duration_seconds", "refused")
        self._abandoned = page.open("request_duration_seconds", "abandoned")
        self._places: dict[tuple[str, bytes, int, str, str], tuple[int, int, int]] = {}
        self._requests: dict[tuple[str, str, int], int] = {}
        self._verdicts: dict[tuple[str, str], int] = {}

    def count(self, route: str, head: Head | None, status: int, verdict: str, algorithm: str, laps: Laps) -> None:
        """One request has ended.

        :param verdict: `accepted`, `open`, `own`, `unverified`, `abandoned`, or the reason of a refusal, told or
            only observed
        """
        key = (route, b"" if head is None else head.method, status, verdict, algorithm)
        place = self._places.get(key)
        if place is None:
            place = self._place(*key)
        self._finish(laps, *place, self._stages)

    def _place(self, route: str, method: bytes, status: int, verdict: str, algorithm: str) -> tuple[int, int, int]:
        name = _METHODS.get(method, "other") if method else NONE
        request = self._requests.get((route, name, status))
        if request is None:
            request = self._page.open("requests_total", route or NONE, name, str(status))
            self._requests[route, name, status] = request
        counted = self._verdicts.get((verdict, algorithm))
        if counted is None:
            counted = self._page.open("verdicts_total", verdict, algorithm)
            self._verdicts[verdict, algorithm] = counted
        duration = self._refused if "." in verdict else self._accepted
        place = request, counted, self._abandoned if verdict == "abandoned" else duration
        if not method or method in _METHODS:
            # Made-up methods would fill the memory.
            self._places[route, method, status, verdict, algorithm] = place
        return place
