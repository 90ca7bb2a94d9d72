"""A request of the native plane to an upstream of several servers: callbacks, and another server if one fails."""

import asyncio

from gateway._native import AnswerSink, Sending
from gateway.balance.group import NoServer
from gateway.balance.server import Server
from gateway.proxy.pool import BackendPool
from gateway.proxy.upstreams import Turn
from gateway.reasons import Reason


class NativeTurn(Turn[BackendPool]):
    """What `Pool.send` offers, over several pools."""

    __slots__ = ()

    def send(self, head: bytes, body: bytes, streamed: bool, head_only: bool, sink: AnswerSink) -> "SharedSending":
        """As of `Pool.send`."""
        if streamed:
            raise ValueError("a body that cannot be sent again goes through `ask`")
        sending = SharedSending(self, head, body, head_only, sink)
        sending.start()
        return sending


class SharedSending(AnswerSink):
    """Stands between one request and the pools: a sink for them, a `Sending` for the driver."""

    def __init__(self, turn: NativeTurn, head: bytes, body: bytes, head_only: bool, sink: AnswerSink) -> None:
        self._turn = turn
        self._group = turn.shared.group
        self._head = head
        self._body = body
        self._head_only = head_only
        self._sink: AnswerSink | None = sink
        self._tried: list[Server] = []
        self._server: Server | None = None
        self._sending: Sending | None = None
        self._entered = False
        self._begun = False
        self._touched_before = False

    # For the driver

    @property
    def touched(self) -> bool:
        """As of `Sending`, for all attempts together."""
        return self._touched_before or (self._sending is not None and self._sending.touched)

    @property
    def timed_out(self) -> bool:
        """As of `Sending`."""
        return self._sending is not None and self._sending.timed_out

    def pause_reading(self) -> None:
        """As of `Sending`."""
        if self._sending is not None:
            self._sending.pause_reading()

    def resume_reading(self) -> None:
        """As of `Sending`."""
        if self._sending is not None:
            self._sending.resume_reading()

    def abort(self) -> None:
        """As of `Sending`."""
        if self._sink is None:
            return
        self._done()
        if self._sending is not None:
            self._sending.abort()

    def start(self) -> None:
        """Send it for the first time; trouble is told later."""
        try:
            self._group.enter()
            self._entered = True
            self._send()
        except NoServer as error:
            asyncio.get_running_loop().call_soon(self._give_up, error.reason, error.detail)

    # For the pools

    def answer_begun(
        self, status: int, head: bytes, has_date: bool, content_length: int, has_body: bool, data: bytes, ended: bool
    ) -> None:
        sink, server = self._sink, self._server
        assert sink is not None
        assert server is not None
        self._begun = True
        self._group.answered(server)
        if ended:
            self._done()
        sink.answer_begun(status, head, has_date, content_length, has_body, data, ended)

    def answer_data(self, data: bytes, ended: bool) -> None:
        sink = self._sink
        assert sink is not None
        if ended:
            self._done()
        sink.answer_data(data, ended)

    def answer_failed(self, reason: str, detail: str) -> None:
        server, sending = self._server, self._sending
        if self._sink is None or server is None:
            return
        if reason == Reason.INTERNAL_ERROR:
            self._give_up(reason, detail)
            return
        self._group.failed(server, detail)
        self._tried.append(server)
        self._touched_before = self._touched_before or (sending is not None and sending.touched)
        again = not self._begun and self._group.may_try_again(
            self._turn.method, self._touched_before, Reason(reason), self._tried
        )
        if not again:
            self._give_up(reason, detail)
            return
        self._release()
        self._sending = None
        try:
            self._send()
        except NoServer:
            self._give_up(reason, detail)

    def _send(self) -> None:
        server = self._group.pick(self._turn.client_id, self._tried)
        self._server = server
        pool = self._turn.shared.place(server).native
        self._sending = pool.send(self._head, self._body, False, self._head_only, self)

    def _give_up(self, reason: str, detail: str) -> None:
        sink = self._sink
        if sink is not None:
            self._done()
            sink.answer_failed(str(reason), detail)

    def _done(self) -> None:
        self._sink = None
        self._release()
        if self._entered:
            self._entered = False
            self._group.leave()

    def _release(self) -> None:
        if self._server is not None:
            self._group.release(self._server)
            self._server = None
