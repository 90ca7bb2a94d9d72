"""Questions to the backend over the native pool, for whoever waits in a task: large bodies, onboarding."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from gateway._native import AnswerSink, Pool, Refused, Sending
from gateway.proxy.asking import READ_BYTES, UpstreamError
from gateway.proxy.spool import Body
from gateway.reasons import Reason

if TYPE_CHECKING:
    from gateway.proxy.forward import Delivery


class NativeAnswer(AnswerSink):
    """Hears an answer and keeps a bounded piece of it until somebody reads."""

    sending: Sending

    def __init__(self) -> None:
        self.status = 0
        self.head = b""
        self.has_date = False
        self.content_length = -1
        self.has_body = False
        self.over = False
        self._error: Exception | None = None
        self._pieces: list[bytes] = []
        self._held = 0
        self._paused = False
        self._heard = asyncio.Event()
        """Something has come: the head, content, the end."""
        self._writable = asyncio.Event()
        self._writable.set()

    # What the pool tells

    def answer_begun(
        self, status: int, head: bytes, has_date: bool, content_length: int, has_body: bool, data: bytes, ended: bool
    ) -> None:
        self.status = status
        self.head = head
        self.has_date = has_date
        self.content_length = content_length
        self.has_body = has_body
        self.answer_data(data, ended)

    def answer_data(self, data: bytes, ended: bool) -> None:
        if data:
            self._pieces.append(data)
            self._held += len(data)
        if ended:
            self._end()
        elif self._held > READ_BYTES and not self._paused:
            self._paused = True
            self.sending.pause_reading()
        self._heard.set()

    def answer_failed(self, reason: str, detail: str) -> None:
        if reason == Reason.INTERNAL_ERROR:
            self._error = Refused(reason, detail)
        elif self.status and self.sending.timed_out:
            self._error = UpstreamError(Reason.UPSTREAM_TIMEOUT, "the answer stopped arriving")
        else:
            self._error = UpstreamError(Reason(reason), detail)
        self._end()
        self._heard.set()

    def can_write(self) -> None:
        self._writable.set()

    # What the task asks

    async def begun(self) -> None:
        """Wait for the final head.

        :raises UpstreamError: there is none
        :raises Refused: internal.error
        """
        while not self.status:
            if self._error is not None:
                raise self._error
            self._heard.clear()
            await self._heard.wait()

    def take_whole(self) -> bytes | None:
        """As of `BackendAnswer`."""
        if not self.over or self._error is not None:
            return None
        return self._take()

    async def read(self) -> bytes:
        """As of `BackendAnswer`."""
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self.over:
                return b""
            self._heard.clear()
            await self._heard.wait()
        data = self._take()
        if self._paused:
            self._paused = False
            self.sending.resume_reading()
        return data

    async def send_pieces(self, body: Body) -> None:
        """Send a spooled body under back-pressure."""
        try:
            async for piece in body.pieces():
                while not self.over and not self._writable.is_set():
                    await self._writable.wait()
                if self.over:
                    return
                self._writable.clear()
                if self.sending.write(piece):
                    self._writable.set()
            self.sending.finish()
        except Exception as error:
            # The backend waits for the rest, and whoever reads its answer waits for the backend: both must end.
            self.sending.abort()
            detail = f"the body cannot be read again: {type(error).__name__}: {error}"
            self.answer_failed(Reason.INTERNAL_ERROR, detail)

    def _take(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._held = 0
        return data

    def _end(self) -> None:
        self.over = True
        self._writable.set()


@asynccontextmanager
async def ask_natively(
    pool: Pool, head: bytes, body: Body | None, head_only: bool, delivery: "Delivery"
) -> AsyncIterator[NativeAnswer]:
    """As of `Backend.ask`."""
    answer = NativeAnswer()
    spooled = body is not None and body.spooled
    data = b"" if body is None or spooled else body.data
    sending = answer.sending = pool.send(head, data, spooled, head_only, answer)
    sender: asyncio.Task[None] | None = None
    try:
        if body is not None and spooled:
            sender = asyncio.create_task(answer.send_pieces(body))
        await answer.begun()
        yield answer
    finally:
        delivery.touched = delivery.touched or sending.touched
        sending.abort()
        if sender is not None and not sender.done():
            sender.cancel()
            with suppress(asyncio.CancelledError):
                await sender
