# The connections to one backend: which are open, which are free, and who waits for one. Time comes in ticks.

from collections import deque

cdef enum:
    CONNECT_ATTEMPTS = 2


@cython.final
@cython.auto_pickle(False)
cdef class Pool:
    cdef object __weakref__
    cdef object connect           # starts one attempt; it ends in `connected` or `connect_failed`
    cdef int limit
    cdef readonly int connecting  # attempts that are being made
    cdef set connections          # all that are open
    cdef list idle                # those of them that are free, the last used one last
    cdef object queue             # Sendings without a connection; those that were aborted are skipped
    cdef bint closed
    cdef double now               # seconds since the first tick
    cdef double tick_s            # how far `now` may be behind
    cdef readonly int waiting     # Sendings that wait for a connection
    cdef readonly double connect_timeout_s
    cdef readonly double response_timeout_s
    cdef readonly double idle_timeout_s
    cdef readonly double keep_alive_s

    def __init__(
        self,
        connect not None,
        int connections,
        double connect_timeout_s,
        double response_timeout_s,
        double idle_timeout_s,
        double keep_alive_s,
        double tick_s,
    ):
        self.connect = connect
        self.limit = connections
        self.connect_timeout_s = connect_timeout_s
        self.response_timeout_s = response_timeout_s
        self.idle_timeout_s = idle_timeout_s
        self.keep_alive_s = keep_alive_s
        self.tick_s = tick_s
        self.connections = set()
        self.idle = []
        self.queue = deque()

    @property
    def open(self):
        return len(self.connections)

    @property
    def in_flight(self):
        return len(self.connections) - len(self.idle)

    def connection(self):
        return BackendConnection.__new__(BackendConnection, self)

    def send(
        self, bytes head not None, bytes body not None, bint streamed, bint head_only, AnswerSink sink not None
    ):
        cdef Sending sending = Sending.__new__(Sending)
        cdef BackendConnection connection
        sending.pool = self
        sending.sink = sink
        sending.head = head
        sending.body = body
        sending.streamed = streamed
        sending.finished = not streamed
        sending.head_only = head_only
        connection = self.take_idle() if self.idle else None
        if connection is not None:
            connection.begin(sending)
            return sending
        sending.attempts = CONNECT_ATTEMPTS
        sending.deadline = self.after(self.connect_timeout_s)
        if streamed:
            sending.pieces = []
        self.queue.append(sending)
        self.waiting += 1
        self.connect_more()
        return sending

    def connect_failed(self, reason not None, str detail not None, bint again):
        cdef Sending sending
        self.connecting -= 1
        sending = self.first_waiting()
        if sending is not None:
            sending.attempts -= 1
            if not again or sending.attempts <= 0:
                self.take_waiting()
                sending.fail(str(reason), detail)
        self.connect_more()

    def tick(self, double elapsed_s):
        """Time has passed: end what has waited for too long."""
        cdef BackendConnection connection
        cdef Sending sending
        self.now += elapsed_s
        for connection in list(self.connections):
            if connection.deadline and connection.deadline <= self.now:
                connection.out_of_time()
        while True:
            sending = self.first_waiting()
            if sending is None or sending.deadline > self.now:
                break
            self.take_waiting()
            sending.timed_out = True
            sending.fail("upstream.timeout", "no connection in time")

    def close(self):
        """End every connection, and whatever they carry or somebody waits for."""
        cdef BackendConnection connection
        cdef Sending sending
        self.closed = True
        for connection in list(self.connections):
            connection.fail("upstream.unreachable", "the gateway shuts down")
        while True:
            sending = self.take_waiting()
            if sending is None:
                break
            sending.fail("upstream.unreachable", "the gateway shuts down")

    # For connections

    cdef double after(self, double seconds) noexcept:
        """`seconds` from now: a little later rather than earlier."""
        return self.now + seconds + self.tick_s

    cdef int connected(self, BackendConnection connection) except -1:
        """A connection is open. What ends, or speaks, before it was asked anything is a failed attempt."""
        cdef Sending sending
        cdef Peeked peeked = connection.peek()
        self.connections.add(connection)
        if self.closed or peeked == HUNG_UP or (peeked == TALKING and not connection.tls):
            connection.throw_away()
            self.connect_failed("upstream.unreachable", "new connections end before anything is asked", True)
            return 0
        self.connecting -= 1
        return self.free_again(connection)

    cdef int free_again(self, BackendConnection connection) except -1:
        """Give the connection to whoever waits, else keep it for a while."""
        cdef Sending sending = self.take_waiting()
        if sending is not None:
            connection.begin(sending)
            if sending.streamed and not connection.write_paused:
                sending.sink.can_write()
        else:
            connection.deadline = self.now + self.keep_alive_s
            self.idle.append(connection)
        return 0

    cdef int gone(self, BackendConnection connection) except -1:
        if connection in self.connections:
            self.connections.remove(connection)
            if connection in self.idle:
                self.idle.remove(connection)
            self.connect_more()
        return 0

    cdef int forget(self, Sending sending) except -1:
        """It waits no longer; its place in the queue is skipped later."""
        self.waiting -= 1
        return 0

    cdef BackendConnection take_idle(self):
        """A free connection on which nothing is wrong, the last used first; None if there is none."""
        cdef BackendConnection connection
        cdef Peeked peeked
        cdef Py_ssize_t index = len(self.idle) - 1
        while index >= 0:
            connection = self.idle[index]
            peeked = connection.peek()
            if peeked == SILENT:
                del self.idle[index]
                return connection
            if peeked == HUNG_UP or not connection.tls:
                connection.throw_away()  # also takes it out of `idle`
            index -= 1
        return None

    cdef Sending first_waiting(self):
        cdef Sending sending
        while self.queue:
            sending = self.queue[0]
            if sending.sink is not None:
                return sending
            self.queue.popleft()
        return None

    cdef Sending take_waiting(self):
        cdef Sending sending = self.first_waiting()
        if sending is not None:
            self.queue.popleft()
            self.waiting -= 1
        return sending

    cdef int connect_more(self) except -1:
        """As many attempts as somebody waits for and the limit leaves room."""
        while not self.closed and self.connecting < self.waiting and len(self.connections) + self.connecting < self.limit:
            self.connecting += 1
            self.connect()
        return 0
