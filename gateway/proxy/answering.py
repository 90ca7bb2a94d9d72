"""How a request of the native plane is answered: with a refusal of ours, or with the backend's answer as it arrives."""

import traceback
from typing import TYPE_CHECKING, Final

from gateway._native import AnswerSink, Content, Head, InboundConnection, Laps
from gateway.model import Admitted, Composed, Refusal, Unverified
from gateway.observe.table import UPSTREAM
from gateway.proxy.exchange import client_id_of, notes_of
from gateway.proxy.forward import admitted_octets, composed_octets
from gateway.proxy.needs import OnItsWay
from gateway.proxy.patient import Patience
from gateway.proxy.unproven import unverified_octets
from gateway.reasons import Reason
from gateway.steps import Step

if TYPE_CHECKING:
    from gateway.proxy.driver import Driver

_LAST_CHUNK: Final = b"0\r\n\r\n"


class Answering(AnswerSink):
    """What a request holds from the moment on when it is decided; closed by `_close`, whatever happens."""

    __slots__ = (
        "_answered",
        "_chunked",
        "_content",
        "_counted",
        "_driver",
        "_keep_alive",
        "_number",
        "_patience",
        "_sending",
        "_status",
        "body",
        "claimed",
        "connection",
        "done",
        "head",
        "laps",
        "step",
        "written",
    )

    def __init__(
        self, driver: "Driver", connection: InboundConnection, head: Head | None, content: Content, number: int
    ) -> None:
        self.laps = Laps()
        self._driver = driver
        self._number = number
        self._content = content
        self._keep_alive = head is not None and head.keep_alive and head.minor == 1
        self._sending: OnItsWay | None = None
        self._patience: Patience | None = None
        self._counted = False  # it has a place (`limits.in_flight`)
        self._answered = False  # the client has octets of an answer: another one cannot be sent
        self.connection = connection
        self.head = head
        self.step: Step | None = None
        self.body = b""
        self.claimed: list[bytes] = []
        self.written = False
        """The whole answer is, but perhaps the client has not taken it yet."""
        self.done = False
        """It is over: whoever calls later calls in vain."""

    # What those see who write about it

    @property
    def request_id(self) -> str:
        """Unique and short, not secret."""
        return self._driver.id_of(self._number)

    @property
    def path(self) -> str:
        """The path as received."""
        return self.head.path.decode("utf-8", "surrogateescape") if self.head is not None else ""

    @property
    def incoming(self) -> "Answering":
        """Where its connection is found."""
        return self

    # Our own answers

    def _refuse(self, refusal: Refusal) -> None:
        self._driver.decisions.refused(self, refusal)  # type: ignore[arg-type]
        connection, head = self.connection, self.head
        unread = not self._content.ended
        keep_alive = self._keep_alive and not unread and not connection.closing
        has_body = head is not None and (head.content_length > 0 or head.chunked)
        head_only = head is not None and head.method == b"HEAD"
        connection.write(
            self._driver.responder.render(
                refusal, self.request_id, self.path, keep_alive, has_body, head_only=head_only
            )
        )
        self._close(keep_alive, unread or head is None)

    def _failed(self, error: Exception) -> None:
        """A defect of ours: 500, with everything in the log and nothing in the answer."""
        if self.done:
            self._driver.report(error)
            return
        if self._answered:
            self.connection.cut()
        detail = "".join(traceback.format_exception(error))
        refusal = Refusal(Reason.INTERNAL_ERROR, detail, client_id_of(self.step))
        self._keep_alive = False
        try:
            if self._answered:
                self._driver.decisions.refused(self, refusal)  # type: ignore[arg-type]
                self._close(False, False)
            else:
                self._refuse(refusal)
        except Exception as defect:
            self._driver.report(defect)
            if not self.done:
                self.connection.cut()
                self._close(False, False)

    # The backend's answer

    def _deliver(self, step: Admitted | Composed | Unverified) -> None:
        driver = self._driver
        # A body that nobody read is still on its way: this connection cannot carry another request.
        self._keep_alive = self._keep_alive and self._content.ended
        if isinstance(step, Composed):
            backend = driver.upstreams.at(step.target, "", step.method)
            self._sending = backend.send(composed_octets(step), b"", False, step.method == b"HEAD", self)
            return
        method = step.head.method
        backend = driver.upstreams.at(step.head.path, client_id_of(step), method)
        length, names = len(self.body) or None, driver.names(step)
        if isinstance(step, Admitted):
            octets = admitted_octets(step, length, names, backend.assertions)
        else:
            octets = unverified_octets(step, length, names)
        # Should this fail, nobody can say whether an octet was written: then the claims stay (R13).
        claimed, self.claimed = self.claimed, []
        self._sending = backend.send(octets, self.body, False, method == b"HEAD", self)
        self.claimed = claimed

    def answer_begun(
        self, status: int, head: bytes, has_date: bool, content_length: int, has_body: bool, data: bytes, ended: bool
    ) -> None:
        """The backend's answer, with what has come of its body."""
        if self.done:
            return
        try:
            assert self.head is not None
            connection = self.connection
            self._status = status
            self._chunked = False
            if not has_date:  # RFC 9110 §6.6.1
                head += b"Date: " + self._driver.responder.date() + b"\r\n"
            if has_body and content_length < 0:
                if self.head.minor == 1:
                    self._chunked = True
                    head += b"Transfer-Encoding: chunked\r\n"
                else:  # RFC 9112 §7.1
                    self._keep_alive = False
            self._keep_alive = self._keep_alive and not connection.closing
            if not self._keep_alive:
                head += b"Connection: close\r\n"
            self._answered = True
            connection.write(b"%b\r\n%b" % (head, self._framed(data, ended)))
            self._go_on(ended)
        except Exception as error:
            self._failed(error)

    def answer_data(self, data: bytes, ended: bool) -> None:
        """More of its body."""
        if self.done:
            return
        try:
            octets = self._framed(data, ended)
            if octets:
                self.connection.write(octets)
            self._go_on(ended)
        except Exception as error:
            self._failed(error)

    def answer_failed(self, reason: str, detail: str) -> None:
        """There is none, or it broke off."""
        if self.done:
            return
        try:
            self.laps.lap(UPSTREAM)
            self._touched()
            step = self.step
            refusal = Refusal(Reason(reason), detail, client_id_of(step), notes=notes_of(step))
            if self._answered:
                # A clean end would make the part look like the whole.
                self.connection.cut()
                self._driver.decisions.refused(self, refusal)  # type: ignore[arg-type]
                self._close(False, False)
            else:
                self._refuse(refusal)
        except Exception as error:
            self._failed(error)

    def can_write(self) -> None:
        """The backend takes more: bodies that are in memory were written at once."""

    def _framed(self, data: bytes, ended: bool) -> bytes:
        if not self._chunked:
            return data
        octets = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        return octets + _LAST_CHUNK if ended else octets

    def _go_on(self, ended: bool) -> None:
        if ended:
            self.laps.lap(UPSTREAM)
            self._touched()
            self.written = True
            if not self.connection.paused:
                self._passed()
        elif self.connection.paused and self._sending is not None:
            self._sending.pause_reading()

    def _touched(self) -> None:
        """Nothing is sent any more: claims are kept if an octet was (R13)."""
        sending, self._sending = self._sending, None
        if sending is not None and sending.touched:
            self.claimed.clear()

    def _passed(self) -> None:
        self._driver.decisions.passed(self, self._status)  # type: ignore[arg-type]
        self._close(self._keep_alive, not self._content.ended)

    # What the client's connection tells

    def client_reads(self) -> None:
        """It takes what was written."""
        if self.done:
            return
        try:
            if self._patience is not None:
                self._patience.client_reads()
            elif self.written:
                self._passed()
            elif self._sending is not None:
                self._sending.resume_reading()
        except Exception as error:
            self._failed(error)

    def client_gone(self, detail: str) -> None:
        """It is away."""
        if self.done:
            return
        if self._patience is not None:
            self._patience.client_gone()
            return
        self._driver.decisions.gone(self, detail)  # type: ignore[arg-type]
        self._close(False, False)

    # The end

    def _close(self, keep_alive: bool, unread: bool) -> None:
        self.done = True
        try:
            if self._sending is not None:
                self._sending.abort()
                self._touched()
            for key in self.claimed:
                # R13: no octet was written to the backend, so the same request may come again.
                self._driver.claims.release(key)
        finally:
            if self._counted and self._driver.in_flight is not None:
                self._counted = False
                self._driver.in_flight.leave()
            self.connection.finish(keep_alive, unread)
