# One connection to the backend: a protocol on the loop's transport that carries one request at a time.

from libc.errno cimport EAGAIN, EINTR, errno
from traceback import format_exception

cdef extern from "sys/socket.h" nogil:
    int MSG_DONTWAIT
    int MSG_PEEK
    Py_ssize_t recv(int descriptor, void* room, size_t size, int flags)

cdef enum:
    INTERIM_ANSWERS = 16   # most 1xx answers that are waited through (RFC 9110 §15.2: a proxy may drop them)
    JOINED_BYTES = 16384   # a body up to here is copied behind its head, so that both are one write

# Scratch of one read, which calls nothing that could read again.
cdef OctetBuffer CONTENT_ROOM

cdef enum Peeked:
    SILENT       # open, and nothing has come
    TALKING      # something has come that nobody asked for, or (TLS) that only the transport can tell
    HUNG_UP


@cython.final
@cython.auto_pickle(False)
cdef class BackendConnection:
    cdef object __weakref__
    cdef Pool pool
    cdef object transport
    cdef int descriptor
    cdef bint tls
    cdef bint lost                # nothing may be written any more
    cdef bint write_paused
    cdef bint read_paused
    cdef bint answering           # the final head has been told
    cdef bint keep_alive          # what the answer's head says
    cdef Sending current
    cdef OctetBuffer waiting      # a head that is not whole
    cdef Py_ssize_t scanned       # of `waiting`, or of what was read last: where the next line begins to be looked for
    cdef Py_ssize_t line_begin
    cdef bint in_head             # the status line has been seen
    cdef int interim
    cdef AnswerBody body
    cdef double deadline          # of whatever is waited for; 0: nothing

    def __cinit__(self, Pool pool not None):
        self.pool = pool
        self.descriptor = -1
        self.lost = True

    def __dealloc__(self):
        release_octets(&self.waiting)

    # The transport's side

    def connection_made(self, transport):
        sock = transport.get_extra_info("socket")
        self.transport = transport
        self.descriptor = -1 if sock is None else sock.fileno()
        self.tls = transport.get_extra_info("sslcontext") is not None
        self.lost = False
        self.pool.connected(self)

    def connection_lost(self, error):
        cdef Sending sending = self.current
        self.transport = None
        self.lost = True
        if sending is None:
            self.pool.gone(self)
            return
        if self.answering:
            if self.body.form == UNTIL_CLOSE and error is None:
                self.throw_away()
                self.tell_data(sending, b"", True)
                return
            what = "the connection ended" if error is None else str(error)[:150]
            self.fail("upstream.bad_answer", f"broke off in the middle of its body: {what}")
        elif error is not None:
            self.fail("upstream.unreachable", str(error)[:200] or type(error).__name__)
        elif self.waiting.size:
            self.fail("upstream.bad_answer", "closed in the middle of the head")
        else:
            self.fail("upstream.unreachable", "closed without an answer")

    def eof_received(self):
        self.lost = True
        if self.current is None:
            self.throw_away()
        return False

    def pause_writing(self):
        self.write_paused = True
        if self.current is not None:
            self.deadline = self.pool.after(self.pool.response_timeout_s)

    def resume_writing(self):
        cdef Sending sending = self.current
        self.write_paused = False
        if sending is None:
            return
        if sending.finished:
            self.deadline = self.pool.after(self.pool.response_timeout_s)
        else:
            self.deadline = 0
            if sending.sink is not None:
                sending.sink.can_write()

    def data_received(self, bytes data not None):
        cdef Sending sending = self.current
        if sending is None:
            self.throw_away()  # it would become another device's answer
            return
        try:
            if self.answering:
                self.read_body(sending, data, 0)
            else:
                self.read_head(sending, data)
        except Refused as refused:
            self.fail("upstream.bad_answer", refused.detail)

    # The pool's side

    cdef Peeked peek(self):
        """Ask the socket itself: the loop may not have looked since the backend closed."""
        cdef uint8_t octet
        cdef Py_ssize_t count
        if self.lost or self.transport.is_closing():
            return HUNG_UP
        if self.descriptor < 0:
            return SILENT
        count = recv(self.descriptor, &octet, 1, MSG_PEEK | MSG_DONTWAIT)
        if count > 0:
            return TALKING
        if count < 0 and (errno == EAGAIN or errno == EINTR):
            return SILENT
        return HUNG_UP

    cdef int begin(self, Sending sending) except -1:
        """Send a request on this connection, which is open and free."""
        cdef bytes head = sending.head, body = sending.body
        self.current = sending
        sending.connection = self
        sending.head = sending.body = None
        sending.touched = True
        self.answering = self.in_head = False
        self.interim = 0
        self.scanned = self.line_begin = 0
        if PyBytes_GET_SIZE(body) <= JOINED_BYTES:
            self.transport.write(head + body if PyBytes_GET_SIZE(body) else head)
        else:
            self.transport.write(head)
            self.transport.write(body)
        if sending.pieces is not None:
            for piece in sending.pieces:
                self.transport.write(piece)
            sending.pieces = None
        if sending.finished or self.write_paused:
            self.deadline = self.pool.after(self.pool.response_timeout_s)
        else:
            self.deadline = 0
        return 0

    cdef bint write_body(self, bytes data) except -1:
        if not self.lost:
            self.transport.write(data)
        return not self.write_paused

    cdef void request_is_whole(self) noexcept:
        if not self.answering:
            self.deadline = self.pool.after(self.pool.response_timeout_s)

    cdef int pause_answer(self) except -1:
        if not self.read_paused and not self.lost:
            self.read_paused = True
            self.deadline = 0  # whoever makes us wait is watched by its own timer
            self.transport.pause_reading()
        return 0

    cdef int resume_answer(self) except -1:
        if self.read_paused:
            self.read_paused = False
            self.deadline = self.pool.after(self.pool.idle_timeout_s)
            if self.transport is not None:
                self.transport.resume_reading()
        return 0

    cdef int throw_away(self) except -1:
        """End the connection, whatever it carries; nobody is told."""
        cdef object transport = self.transport
        self.lost = True
        self.deadline = 0
        self.detach()
        if transport is not None:
            transport.abort()
        self.pool.gone(self)
        return 0

    cdef int out_of_time(self) except -1:
        cdef Sending sending = self.current
        if sending is None:
            return self.throw_away()
        sending.timed_out = True
        if self.answering:
            self.fail("upstream.bad_answer", "broke off in the middle of its body: nothing arrived in time")
        elif self.write_paused:
            self.fail("upstream.timeout", "the backend does not take the body")
        else:
            self.fail("upstream.timeout", "no answer in time")
        return 0

    # The answer

    cdef int read_head(self, Sending sending, bytes data) except -1:
        """Find the end of a head in what has arrived so far, line by line, and judge it."""
        cdef Py_ssize_t before = self.waiting.size, size, stop, begin = 0
        cdef const uint8_t* octets = <const uint8_t*>PyBytes_AS_STRING(data)
        cdef AnswerFacts facts
        cdef bytes head
        size = PyBytes_GET_SIZE(data)
        if before:
            append_octets(&self.waiting, octets, size)
            octets = self.waiting.octets
            size = self.waiting.size
        while True:
            stop = self.find_head_end(octets, size)
            if stop - begin > ANSWER_HEAD_LIMIT or (stop < 0 and size - begin > ANSWER_HEAD_LIMIT):
                raise bad_answer(f"a head of more than {ANSWER_HEAD_LIMIT} octets")
            if stop < 0:
                self.keep_rest(octets, begin, size, before)
                if sending.finished:
                    self.deadline = self.pool.after(self.pool.response_timeout_s)
                return 0
            head = read_answer(octets + begin, stop - begin, &facts)
            if facts.status >= 200:
                break
            if facts.status == 101:
                raise bad_answer("101 Switching Protocols, which nobody asked for")
            self.interim += 1
            if self.interim > INTERIM_ANSWERS:
                raise bad_answer(f"more than {INTERIM_ANSWERS} interim answers")
            begin = stop
        stop -= before
        if before:
            release_octets(&self.waiting)
        self.answering = True
        return self.tell_head(sending, &facts, head, data, stop)

    cdef Py_ssize_t find_head_end(self, const uint8_t* octets, Py_ssize_t size) noexcept:
        """Where what follows the head begins; -1 if its empty line is not there yet."""
        cdef const uint8_t* found
        cdef Py_ssize_t length
        while self.scanned < size:
            found = <const uint8_t*>memchr(octets + self.scanned, LF, size - self.scanned)
            if found == NULL:
                self.scanned = size
                return -1
            length = found - octets - self.line_begin
            self.scanned = self.line_begin = found - octets + 1
            if length == 0 or (length == 1 and (found - 1)[0] == CR):
                if self.in_head:
                    self.in_head = False
                    return self.scanned
            else:
                self.in_head = True
        return -1

    cdef int keep_rest(self, const uint8_t* octets, Py_ssize_t begin, Py_ssize_t size, Py_ssize_t before) except -1:
        """Keep octets[begin:size] until more comes."""
        cdef OctetBuffer kept
        self.scanned -= begin
        self.line_begin -= begin
        if before and begin == 0:
            return 0
        kept.octets = NULL
        kept.size = kept.room = 0
        append_octets(&kept, octets + begin, size - begin)
        release_octets(&self.waiting)
        self.waiting = kept
        return 0

    cdef int tell_head(self, Sending sending, AnswerFacts* facts, bytes head, bytes data, Py_ssize_t at) except -1:
        cdef bint has_body = not sending.head_only and facts.status != 204 and facts.status != 304
        cdef AnswerSink sink = sending.sink
        cdef bint ended
        cdef bytes content
        self.keep_alive = facts.keep_alive
        if not has_body or facts.content_length == 0:
            begin_body(&self.body, NO_BODY, 0)
        elif facts.chunked:
            begin_body(&self.body, IN_CHUNKS, 0)
        elif facts.content_length > 0:
            begin_body(&self.body, BY_LENGTH, facts.content_length)
        else:
            begin_body(&self.body, UNTIL_CLOSE, 0)
        content = self.take_content(data, &at)
        self.answering = True
        ended = self.body.form == NO_BODY
        self.went_on(sending, ended, at < PyBytes_GET_SIZE(data))
        if ended:
            sending.sink = None
        try:
            sink.answer_begun(facts.status, head, facts.has_date, facts.content_length, has_body, content, ended)
        except Exception as error:
            self.defect(sending, sink, ended, error)
        return 0

    cdef int read_body(self, Sending sending, bytes data, Py_ssize_t at) except -1:
        cdef bytes content = self.take_content(data, &at)
        cdef bint ended = self.body.form == NO_BODY
        self.went_on(sending, ended, at < PyBytes_GET_SIZE(data))
        if ended or PyBytes_GET_SIZE(content):
            self.tell_data(sending, content, ended)
        return 0

    cdef bytes take_content(self, bytes data, Py_ssize_t* at):
        """The content that begins at data[at]; moves `at` behind it. The body has become NO_BODY if that is its end."""
        cdef Py_ssize_t begin = at[0], size = PyBytes_GET_SIZE(data), count
        cdef const uint8_t* octets = <const uint8_t*>PyBytes_AS_STRING(data)
        if self.body.form == NO_BODY:
            return b""
        if self.body.form == IN_CHUNKS:
            CONTENT_ROOM.size = 0
            at[0] = begin + read_chunks(&self.body, octets + begin, size - begin, &CONTENT_ROOM)
            return PyBytes_FromStringAndSize(<const char*>CONTENT_ROOM.octets, CONTENT_ROOM.size)
        count = size - begin
        if self.body.form == BY_LENGTH:
            count = min(self.body.left, <int64_t>count)
            self.body.left -= count
            if self.body.left == 0:
                self.body.form = NO_BODY
        at[0] = begin + count
        if count == size:
            return data
        return PyBytes_FromStringAndSize(<const char*>octets + begin, count)

    cdef int went_on(self, Sending sending, bint ended, bint more) except -1:
        """Before anyone is told: this connection is free again, or gone, or waits for the rest."""
        if not ended:
            if not self.read_paused:
                self.deadline = self.pool.after(self.pool.idle_timeout_s)
            return 0
        return self.end_exchange(sending, self.keep_alive and not more)

    cdef int end_exchange(self, Sending sending, bint reusable) except -1:
        if not reusable or not sending.finished or self.write_paused or self.lost:
            return self.throw_away()
        self.detach()
        self.deadline = 0
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        return self.pool.free_again(self)

    cdef int tell_data(self, Sending sending, bytes content, bint ended) except -1:
        cdef AnswerSink sink = sending.sink
        if ended:
            sending.sink = None
        try:
            sink.answer_data(content, ended)
        except Exception as error:
            self.defect(sending, sink, ended, error)
        return 0

    cdef int defect(self, Sending sending, AnswerSink sink, bint ended, error) except -1:
        """Whoever was told failed. This connection must not be the one that pays for it."""
        if ended:
            raise error
        sending.sink = None
        if self.current is sending:
            self.throw_away()
        sink.answer_failed("internal.error", "".join(format_exception(error)))
        return 0

    cdef int fail(self, str reason, str detail) except -1:
        cdef Sending sending = self.current
        self.throw_away()
        if sending is not None:
            sending.fail(reason, detail)
        return 0

    cdef void detach(self) noexcept:
        if self.current is not None:
            self.current.connection = None
            self.current = None
