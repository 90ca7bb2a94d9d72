"""The log: one JSON object per line, put together on the event loop and written by a thread of its own."""

import os
import stat
import threading
from collections import deque
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from gateway.clock import Clock, SystemClock

LEVELS: Final = {"debug": 0, "info": 1, "warning": 2, "error": 3}
"""Names of the levels, from the chattiest to the quietest."""

BUFFER_BYTES: Final = 4 * 1024 * 1024
"""What may wait for a slow reader of the log; lines beyond it are dropped and counted."""

WRITE_BYTES: Final = 4096
"""PIPE_BUF on Linux: a write of at most that much is not torn apart by another worker's (POSIX `write`)."""

FILE_WRITE_BYTES: Final = 65_536
"""To a regular file, whose writes are never torn: fewer of them, because each takes the interpreter from the loop."""

GATHER_S: Final = 0.02
"""How long a line may wait for others. Waking the writer for each line costs more than putting the line together."""


class Log:
    """Lines to one file descriptor. `line` never blocks and never raises; what does not fit is counted in `dropped`."""

    def __init__(self, descriptor: int = 1, level: str = "info", clock: Clock | None = None) -> None:
        self._descriptor = descriptor
        self._threshold = LEVELS[level]
        self._clock = clock or SystemClock()
        self._pending: deque[bytes] = deque()
        self._pending_bytes = 0
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._closing = False
        self._asleep = False
        self._hurry = threading.Event()
        self._second = (-1, "")
        self._write_bytes = _write_bytes(descriptor)
        self.dropped = 0
        """Lines lost since the last line that told so."""
        self.lost = 0
        """Lines lost altogether."""
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Octets that are not written yet."""
        return self._pending_bytes

    def enabled(self, level: str) -> bool:
        """Would a line of this level be written?"""
        return LEVELS[level] >= self._threshold

    def line(self, level: str, event: str, **fields: Any) -> None:
        """Write one line. What JSON cannot hold (bytes beyond UTF-8, lone surrogates) is escaped first (R29)."""
        if LEVELS[level] >= self._threshold:
            self.put(self.begin(level, event) | fields)

    def begin(self, level: str, event: str) -> dict[str, Any]:
        """What every line begins with; for `put`."""
        return {"time": self._stamp(), "level": level, "event": event}

    def put(self, fields: dict[str, Any]) -> None:
        """Write a line that `begin` began, whatever its level; as `line`."""
        data = encode(fields)
        with self._lock:
            if self._closing or self._pending_bytes + len(data) > BUFFER_BYTES:
                self.dropped += 1
                self.lost += 1
                return
            if self.dropped:
                lost = encode(self.begin("warning", "log.dropped") | {"lines": self.dropped})
                self._pending.append(lost)
                self._pending_bytes += len(lost)
                self.dropped = 0
            self._pending.append(data)
            self._pending_bytes += len(data)
            if self._asleep:
                self._asleep = False
                self._wake.notify()

    def close(self, timeout_s: float = 2.0) -> None:
        """Write what waits, for at most `timeout_s`; later lines are dropped."""
        with self._lock:
            self._closing = True
            self._wake.notify()
        self._hurry.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._lock:
                while not self._pending and not self._closing:
                    self._asleep = True
                    self._wake.wait()
                if not self._pending:
                    return
            self._hurry.wait(GATHER_S)
            self._write()

    def _write(self) -> None:
        """Write what waits."""
        while True:
            with self._lock:
                batch = self._take()
            if not batch:
                return
            try:
                _write_all(self._descriptor, batch)
            except OSError:
                # Nobody reads the log any more. The gateway's work goes on without it.
                with self._lock:
                    count = batch.count(b"\n")
                    self.dropped += count
                    self.lost += count

    def _take(self) -> bytes:
        """As many whole lines as fit one untorn write; a longer line goes alone. Empty: nothing waits."""
        if not self._pending:
            return b""
        lines = [self._pending.popleft()]
        size = len(lines[0])
        while self._pending and size + len(self._pending[0]) <= self._write_bytes:
            lines.append(self._pending.popleft())
            size += len(lines[-1])
        self._pending_bytes -= size
        return b"".join(lines)

    def _stamp(self) -> str:
        """The time to the millisecond (RFC 3339); all but that is made once a second."""
        now = self._clock.now()
        second, text = self._second
        if int(now) != second:
            second = int(now)
            text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
            self._second = (second, text)
        return f"{text}{int((now - second) * 1000):03d}Z"


def encode(fields: dict[str, Any]) -> bytes:
    """One JSON line. Control characters are escaped by JSON itself; bytes that are not UTF-8 become `\\xNN`."""
    try:
        return orjson.dumps(fields, default=_plain, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        # A lone surrogate somewhere: orjson refuses it, so every text is made plain first.
        return orjson.dumps({name: _plain(value) for name, value in fields.items()}, option=orjson.OPT_APPEND_NEWLINE)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, (int, float, bool)) or value is None:
        return value
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return _plain(str(value))


def _write_bytes(descriptor: int) -> int:
    try:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:
        return WRITE_BYTES
    return FILE_WRITE_BYTES if regular else WRITE_BYTES


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
