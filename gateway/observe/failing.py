"""Which clients are refused most, in bounded memory: whoever is refused chooses its own name."""

from typing import Final

import msgspec

ROOM: Final = 64


class Failing(msgspec.Struct):
    """How often one client id was refused, which may be up to `unsure` too many, and the last refusal."""

    client_id: str
    count: int
    unsure: int
    reason: str
    detail: str
    request_id: str
    at: float


class Failures:
    """The `ROOM` client ids that are refused most often (Metwally's space saving): an id that is not among them takes
    the place, and the count, of the one that was refused least. An id with more refusals than a `ROOM`th of all is
    surely there, whatever a flood of made-up ids does."""

    def __init__(self) -> None:
        self._clients: dict[str, Failing] = {}
        self.changed = False
        """Something was noted since this was last set back."""

    def note(self, client_id: str, reason: str, detail: str, request_id: str, at: float) -> None:
        """One refusal, `at` seconds since 1970."""
        self.changed = True
        known = self._clients.get(client_id)
        if known is None:
            unsure = 0
            if len(self._clients) >= ROOM:
                least = min(self._clients.values(), key=lambda one: one.count)
                del self._clients[least.client_id]
                unsure = least.count
            known = Failing(client_id, unsure, unsure, "", "", "", 0.0)
            self._clients[client_id] = known
        known.count += 1
        known.reason, known.detail, known.request_id, known.at = reason, detail, request_id, at

    def worst(self) -> list[Failing]:
        """All that are known, the worst first."""
        return sorted(self._clients.values(), key=lambda one: (-one.count, one.client_id))
