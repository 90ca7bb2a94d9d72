# Content of messages as it arrives, and the reader that takes it out of its framing.


@cython.final
@cython.freelist(64)
@cython.auto_pickle(False)
cdef class Content:
    """Content of one message: what has arrived and nobody has taken, and how it stands."""

    cdef bytes whole                 # all that waits, where it came in one piece
    cdef OctetBuffer pieces          # all that waits, where it did not: many small pieces must not cost an object each
    cdef readonly long long waiting  # octets that have arrived and were not taken
    cdef readonly long long total    # octets that have arrived
    cdef readonly bint ended         # nothing more comes
    cdef readonly object fault       # what it broke off with, None as long as it did not

    def __dealloc__(self):
        release_octets(&self.pieces)

    cdef int append(self, const uint8_t* octets, Py_ssize_t count) except -1:
        if self.waiting == 0:
            self.whole = PyBytes_FromStringAndSize(<const char*>octets, count)
        else:
            if self.whole is not None:
                append_octets(
                    &self.pieces, <const uint8_t*>PyBytes_AS_STRING(self.whole), PyBytes_GET_SIZE(self.whole)
                )
                self.whole = None
            append_octets(&self.pieces, octets, count)
        self.waiting += count
        self.total += count
        return 0

    cdef bytes taken(self):
        cdef bytes octets = self.whole
        if self.waiting == 0:
            return b""
        if octets is None:
            octets = PyBytes_FromStringAndSize(<const char*>self.pieces.octets, self.pieces.size)
            release_octets(&self.pieces)
        self.whole = None
        self.waiting = 0
        return octets


cdef Content NO_CONTENT = Content()
NO_CONTENT.ended = True


@cython.final
@cython.auto_pickle(False)
cdef class ContentReader(MessageReader):
    """Reads one message at a time: its head, then its content without framing."""

    cdef Head head        # of the message that has begun, None between messages
    cdef Content content  # of it
    cdef bint over        # it is complete

    cdef Py_ssize_t read(self, bytes data, Py_ssize_t begin) except -1:
        """Read from data[begin] on, but not beyond the end of one message; returns how far.

        Afterwards every refusal is final: nothing can be read behind it.
        """
        self.data = <const uint8_t*>PyBytes_AS_STRING(data)
        self.size = PyBytes_GET_SIZE(data)
        self.at = begin
        if self.over:
            self.head = None
            self.content = None
            self.over = False
        while self.at < self.size and not self.over:
            self.step(data)
        return self.at

    cdef int accept_head(self, Head head, bytes raw, bint in_one_piece) except -1:
        self.head = head
        self.content = Content.__new__(Content) if head.chunked or head.content_length > 0 else NO_CONTENT
        return 0

    cdef int accept_content(self, Py_ssize_t count) except -1:
        return self.content.append(self.data + self.at - count, count)

    cdef int end_message(self) except -1:
        MessageReader.end_message(self)
        if self.content is not NO_CONTENT:
            self.content.ended = True
        self.over = True
        return 0
