"""Faults that know the store's protocol: they act on whole replies, as a proxy that mixes up its clients would."""

from collections.abc import Callable


class Replies:
    """Hands each batch of whole replies to `change`, which returns what to send instead."""

    def __init__(self, change: Callable[[list[bytes]], list[bytes]]) -> None:
        self._change = change
        self._buffer = b""

    def __call__(self, data: bytes) -> bytes:
        self._buffer += data
        replies: list[bytes] = []
        at = 0
        while (end := _end(self._buffer, at)) is not None:
            replies.append(self._buffer[at:end])
            at = end
        self._buffer = self._buffer[at:]
        return b"".join(self._change(replies))


def _end(data: bytes, at: int) -> int | None:
    """Where the RESP2 reply that begins at `at` ends; None if it is not whole."""
    line = data.find(b"\r\n", at)
    if line < 0:
        return None
    kind, number, after = data[at : at + 1], data[at + 1 : line], line + 2
    if kind == b"$":
        end = after if number == b"-1" else after + int(number) + 2
        return end if end <= len(data) else None
    if kind == b"*":
        for _ in range(max(int(number), 0)):
            inner = _end(data, after)
            if inner is None:
                return None
            after = inner
    return after
