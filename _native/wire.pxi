# The reader in front of another parser: only octets that it has accepted reach that one (R4, R5).

from collections import deque


@cython.final
@cython.auto_pickle(False)
cdef class WireReader(MessageReader):
    cdef object fault                # type and arguments of what every further call raises
    cdef object heads
    cdef readonly bytes accepted
    # One call of feed: data[run:good] is accepted and not yet in `out`; data[good:at] is not accepted yet.
    cdef Py_ssize_t run
    cdef Py_ssize_t good
    cdef OctetBuffer out

    def __init__(self, int head_limit_bytes=32768, int field_limit=100):
        self.heads = deque()
        self.accepted = b""

    def __dealloc__(self):
        release_octets(&self.out)

    @property
    def head_pending(self):
        return self.in_head()

    @property
    def body_pending(self):
        return self.in_body()

    def take_head(self):
        return self.heads.popleft() if self.heads else None

    def feed(self, bytes data not None):
        self.accepted = b""
        if self.fault is not None:
            raise self.fault[0](*self.fault[1])
        self.data = <const uint8_t*>PyBytes_AS_STRING(data)
        self.size = PyBytes_GET_SIZE(data)
        self.run = self.good = self.at = 0
        try:
            while self.at < self.size:
                self.step(data)
            return self.handed_on(data)
        except Exception as fault:
            self.fault = type(fault), fault.args  # not itself: its traceback would keep `data`
            self.accepted = self.handed_on(data)
            release_octets(&self.held)
            raise
        finally:
            release_octets(&self.out)

    cdef bytes handed_on(self, bytes data):
        """What this call has accepted, without a copy where that is all of `data`."""
        if self.out.size == 0:
            if self.run == 0 and self.good == self.size:
                return data
            return PyBytes_FromStringAndSize(<const char*>self.data + self.run, self.good - self.run)
        self.leave_out()
        return PyBytes_FromStringAndSize(<const char*>self.out.octets, self.out.size)

    cdef int leave_out(self) except -1:
        """Move what is accepted to `out`; what was read beside it up to `at` is left out."""
        append_octets(&self.out, self.data + self.run, self.good - self.run)
        self.run = self.good = self.at
        return 0

    cdef int accept_head(self, Head head, bytes raw, bint in_one_piece) except -1:
        self.heads.append(head)
        if in_one_piece:
            self.good = self.at
        else:
            append_octets(&self.out, <const uint8_t*>PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw))
            self.run = self.good = self.at
        return 0

    cdef int accept_content(self, Py_ssize_t count) except -1:
        self.good = self.at
        return 0

    cdef int accept_framing(self, const char* octets, Py_ssize_t count) except -1:
        return append_octets(&self.out, <const uint8_t*>octets, count)
