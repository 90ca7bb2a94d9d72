# Whoever waits for an answer of the backend: what it is told, and what it holds in its hand meanwhile.

cdef class AnswerSink:
    cpdef object answer_begun(
        self, int status, bytes head, bint has_date, int64_t content_length, bint has_body, bytes data, bint ended
    ):
        raise NotImplementedError

    cpdef object answer_data(self, bytes data, bint ended):
        raise NotImplementedError

    cpdef object answer_failed(self, str reason, str detail):
        raise NotImplementedError

    cpdef object can_write(self):
        """A sink that streams no body has nothing to do here."""


@cython.final
@cython.freelist(64)
@cython.auto_pickle(False)
cdef class Sending:
    cdef Pool pool
    cdef AnswerSink sink          # None: nobody waits any longer
    cdef BackendConnection connection
    cdef bytes head               # None as soon as it is sent
    cdef bytes body
    cdef list pieces              # of a streamed body that has no connection yet
    cdef bint streamed
    cdef bint finished            # the request is whole
    cdef bint head_only
    cdef int attempts             # connects that may still be made for it
    cdef double deadline          # for the connection it waits for
    cdef readonly bint touched
    cdef readonly bint timed_out

    def write(self, bytes data not None):
        cdef BackendConnection connection = self.connection
        if self.finished:
            return True
        if connection is not None:
            return connection.write_body(data)
        if self.sink is not None:
            self.pieces.append(data)
        return self.sink is None

    def finish(self):
        if not self.finished:
            self.finished = True
            if self.connection is not None:
                self.connection.request_is_whole()

    def pause_reading(self):
        if self.connection is not None:
            self.connection.pause_answer()

    def resume_reading(self):
        if self.connection is not None:
            self.connection.resume_answer()

    def abort(self):
        cdef BackendConnection connection = self.connection
        if self.sink is None:
            return
        self.sink = None
        if connection is not None:
            connection.throw_away()
        else:
            self.pool.forget(self)

    cdef int fail(self, str reason, str detail) except -1:
        """Tell it, once; the connection is no longer its own."""
        cdef AnswerSink sink = self.sink
        self.sink = None
        self.connection = None
        if sink is not None:
            sink.answer_failed(reason, detail)
        return 0
