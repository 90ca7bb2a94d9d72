# One inbound connection: strict reading, one request at a time, bounded buffers, deadlines, and how it ends (R4, R5).

import socket
import struct

cdef enum:
    HOLD_BYTES = 65536          # octets that wait for their reader before the socket is paused
    LINGER_BYTES = 1024 * 1024  # what is read and thrown away behind a refusal, so that the client sees the answer (R4)
    BURST = 32                  # requests of one read that are answered before others get their turn

cdef enum Awaited:
    NOBODY          # a request is being answered
    A_HEAD          # its end, or its beginning on a connection that has just been made
    A_REQUEST       # the next one
    A_BODY          # more of it
    THE_END         # the client's close, behind an answer that leaves something unread

cdef object RESET = struct.pack("ii", 1, 0)


@cython.final
@cython.auto_pickle(False)
cdef class InboundConnection:
    cdef InboundServer server
    cdef readonly object peer
    cdef public object announced     # who a PROXY header says the peer is; None without one
    cdef object transport
    cdef ContentReader reader
    cdef object request              # what the driver has made of the one in progress
    cdef readonly Content content    # of it
    cdef bint busy                   # a request is in progress
    cdef bint reading                # inside of `read`
    cdef bint wants_body             # the request wants to hear of its content
    cdef long long content_limit     # how much of it may wait before the socket is paused
    cdef bytes rest                  # what arrived behind the request in progress
    cdef bint deaf                   # nothing more is read from this connection
    cdef bint reading_paused
    cdef readonly bint paused        # the client takes less than we write
    cdef Py_ssize_t linger_left
    cdef Awaited awaited
    cdef long long due               # the tick at which waiting for `awaited` ends
    cdef long long client_due        # the tick at which a client that does not read is cut
    cdef long long accepted          # requests
    cdef bint draining
    cdef bint grace                  # one more request is let in although the gateway shuts down
    cdef readonly bint gone

    # What the transport tells

    def connection_made(self, transport):
        cdef InboundServer server = self.server
        self.transport = transport
        self.peer = server.peer_of(transport) if self.announced is None else self.announced
        if len(server.connections) >= server.limit:
            self.deaf = self.gone = True
            server.refused += 1
            server.tell_full(self.peer)
            transport.abort()
            return
        server.enter(self)
        self.draining = self.grace = server.draining
        self.reader = ContentReader(server.head_limit)
        self.content_limit = HOLD_BYTES
        self.wait_for(A_HEAD, server.fresh_ticks if self.draining else server.head_ticks)

    def connection_lost(self, exc):
        self.gone = self.deaf = True
        self.rest = None
        self.server.leave(self)
        request, self.request = self.request, None
        self.busy = False
        self.transport = None
        if request is not None:
            request.client_gone("the client closed the connection" if exc is None else str(exc))

    def data_received(self, bytes data not None):
        if self.deaf:
            if self.awaited == THE_END:
                self.linger_left -= PyBytes_GET_SIZE(data)
                if self.linger_left < 0:
                    self.cut()
            return
        if self.rest is not None:
            self.rest += data
            self.adjust()
            return
        self.read(data)

    def eof_received(self):
        """The client sends no more. Only a body that breaks off gets an answer; else it is gone (as nginx takes it)."""
        if self.deaf or not self.busy or self.content.ended:
            return False
        self.offend(Refused("request.body_incomplete", "the connection was closed in the middle of the body"))
        return True

    def pause_writing(self):
        self.paused = True
        self.client_due = self.server.tick + self.server.idle_ticks

    def resume_writing(self):
        self.paused = False
        if self.request is not None:
            self.request.client_reads()
        elif self.rest is not None:
            self.read_on()

    # Reading

    cdef int read(self, bytes data) except -1:
        cdef Py_ssize_t at = 0, size = PyBytes_GET_SIZE(data)
        cdef int begun = 0
        cdef ContentReader reader = self.reader
        self.reading = True
        try:
            while at < size and not self.deaf:
                if self.content.ended if self.busy else self.paused or begun >= BURST:
                    self.rest = data[at:]
                    if not self.busy and not self.paused:
                        self.server.loop.call_soon(self.read_on)
                    break
                try:
                    at = reader.read(data, at)
                except Refused as refused:
                    self.offend(refused)
                    break
                if self.busy:
                    if self.wants_body:
                        self.due = self.server.tick + self.server.body_ticks
                        self.request.body_arrived()
                elif reader.head is not None:
                    begun += 1
                    self.begin(reader.head, reader.content, None)
                elif reader.in_head() and self.awaited != A_HEAD:
                    self.wait_for(A_HEAD, self.server.head_ticks)
        finally:
            self.reading = False
        self.rest_now()
        return self.adjust()

    def read_on(self):
        """Read what was held back, now that it is its turn."""
        cdef bytes data = self.rest
        if data is None or self.busy or self.paused or self.deaf:
            return
        self.rest = None
        self.read(data)

    cdef int begin(self, Head head, Content content, refused) except -1:
        cdef bint too_late = False
        if self.draining:
            too_late = not self.grace
            self.grace = False
        self.accepted += 1
        self.server.requests += 1
        self.awaited = NOBODY
        self.busy = True
        self.content = content
        try:
            request = self.server.driver.begin(self, head, content, refused, too_late)
        except BaseException:
            # A defect of the driver's: nobody would ever call `finish`.
            self.busy = False
            self.cut()
            raise
        if self.busy and not self.gone:
            self.request = request
        return 0

    cdef int offend(self, refused) except -1:
        """Nothing can be read any more: the request whose body broke is told, or the offence is answered by itself."""
        cdef ContentReader reader = self.reader
        self.deaf = True
        if reader.head is not None and not reader.over:
            reader.content.fault = refused
            if not self.busy:
                self.begin(reader.head, reader.content, None)
            elif self.wants_body:
                self.request.body_arrived()
        else:
            self.begin(None, NO_CONTENT, refused)
        return 0

    cdef int adjust(self) except -1:
        """Let the socket fill up as long as what was read waits for its reader."""
        cdef bint full = False
        if not self.deaf:
            full = self.rest is not None and PyBytes_GET_SIZE(self.rest) >= HOLD_BYTES
            if self.busy and self.content.waiting >= self.content_limit:
                full = True
        if full != self.reading_paused and self.transport is not None:
            self.reading_paused = full
            if full:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()
        return 0

    # What the driver asks for

    def take_content(self):
        """What has arrived of the body."""
        cdef bytes octets = self.content.taken()
        if self.reading_paused:
            self.adjust()
        return octets

    def want_body(self, long long limit):
        """Tell the request of everything that arrives of its body, and let up to `limit` octets of it wait."""
        self.wants_body = True
        self.content_limit = limit
        self.wait_for(A_BODY, self.server.body_ticks)
        if self.reading_paused:
            self.adjust()

    def leave_body(self):
        """No longer tell it."""
        self.wants_body = False
        self.content_limit = HOLD_BYTES
        if self.awaited == A_BODY:
            self.awaited = NOBODY

    def write(self, bytes data not None):
        """Send octets to the client; without effect if it is gone."""
        if not self.gone:
            self.transport.write(data)

    def finish(self, bint keep_alive, bint unread):
        """The answer is written. `unread`: something of the request is not, and is thrown away within bounds."""
        self.busy = False
        self.request = None
        self.leave_body()
        if self.gone or self.transport.is_closing():
            return
        if unread:
            self.linger()
            return
        if not keep_alive or self.closing:
            self.close()
            return
        if self.reading:
            return  # the loop over what has arrived goes on
        if self.rest is not None:
            self.read_on()
        else:
            self.rest_now()
        self.adjust()  # a body that nobody took may have filled it up

    cdef int rest_now(self) except -1:
        """Between two requests: how long for?"""
        if self.awaited == NOBODY and not self.busy and not self.deaf and self.rest is None:
            self.wait_for(A_REQUEST, self.server.idle_ticks)
        return 0

    cdef int linger(self) except -1:
        """Throw away what still comes, within bounds, until the client closes: lest a reset eats the answer (R4)."""
        self.deaf = True
        self.rest = None
        self.linger_left = LINGER_BYTES
        self.wait_for(THE_END, self.server.linger_ticks)
        try:
            self.transport.write_eof()
        except (OSError, RuntimeError, NotImplementedError):
            pass
        return self.adjust()

    def close(self):
        """End the connection in good order, once what was written has left."""
        self.deaf = True
        self.rest = None
        self.awaited = NOBODY
        if self.transport is not None:
            self.transport.close()

    def cut(self):
        """End the connection so that nobody can take it for the end of a message: with a reset."""
        self.deaf = True
        self.awaited = NOBODY
        if self.transport is None:
            return
        sock = self.transport.get_extra_info("socket")
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        except (OSError, AttributeError):
            pass
        self.transport.abort()

    # Time

    cdef inline void wait_for(self, Awaited awaited, long long ticks) noexcept:
        self.awaited = awaited
        self.due = self.server.tick + ticks

    cdef int look_at_time(self, long long tick) except -1:
        """One tick has passed."""
        if self.paused and tick > self.client_due:
            self.paused = False
            request, self.request = self.request, None
            self.cut()
            if request is not None:
                self.busy = False
                request.client_gone("the client does not read the answer")
            return 0
        if self.awaited == NOBODY or tick <= self.due:
            return 0
        if self.awaited == A_BODY:
            self.awaited = NOBODY
            self.request.body_late()
        elif self.awaited == A_HEAD and not (self.draining and not self.accepted and not self.reader.in_head()):
            self.offend(Refused("request.head_timeout", ""))
        else:
            self.close()
        return 0

    # Shutting down

    @property
    def closing(self):
        """The gateway shuts down and this is the last answer on the connection: it should say so."""
        return self.draining and not self.grace and (self.rest is None or b"\r\n\r\n" not in self.rest)

    cdef bint is_busy(self):
        """Is a request being answered, waiting, or arriving, or an answer on its way?"""
        if self.busy or self.grace or self.awaited == THE_END or self.rest is not None or self.reader.in_head():
            return True
        return self.transport is not None and self.transport.get_write_buffer_size() > 0

    cdef int drain(self, bint patiently) except -1:
        """Finish what has begun, take nothing new, then close; `patiently` an idle connection may bring one more
        request, whose sender may be about to write it."""
        self.draining = True
        if self.busy or self.deaf:
            return 0
        if self.rest is not None or self.reader.in_head():
            self.grace = True
        elif not self.accepted:
            # Accepted a moment ago: its request may be on the way.
            self.grace = True
            self.wait_for(A_HEAD, self.server.fresh_ticks)
        elif patiently:
            self.grace = True
        else:
            self.close()
        return 0
