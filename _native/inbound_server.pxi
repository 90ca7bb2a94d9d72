# All inbound connections of one worker, and the one timer that serves them.

from libc.math cimport ceil


@cython.final
@cython.auto_pickle(False)
cdef class InboundServer:
    cdef readonly object loop
    cdef object driver
    cdef object peer_of
    cdef object tell_full
    cdef readonly set connections
    cdef object timer
    cdef double tick_s
    cdef long long tick              # passes while there are connections; deadlines are counted in it
    cdef long long head_ticks
    cdef long long body_ticks
    cdef long long idle_ticks
    cdef long long linger_ticks
    cdef long long fresh_ticks
    cdef int head_limit
    cdef int limit
    cdef readonly bint draining
    cdef readonly long long accepted # connections
    cdef readonly long long refused  # connections beyond the limit
    cdef readonly long long requests

    def __init__(
        self,
        loop,
        driver,
        peer_of,
        tell_full,
        int connections,
        int head_limit_bytes,
        double head_timeout_s,
        double body_timeout_s,
        double idle_timeout_s,
        double linger_s,
        double fresh_s,
    ):
        # A deadline is met within a twentieth of the shortest one: nothing needs to be more exact, and one timer costs
        # less than one a request.
        self.tick_s = max(0.005, min(0.5, min(head_timeout_s, body_timeout_s, idle_timeout_s) / 20))
        self.loop = loop
        self.driver = driver
        self.peer_of = peer_of
        self.tell_full = tell_full
        self.connections = set()
        self.limit = connections
        self.head_limit = head_limit_bytes
        self.head_ticks = self.ticks(head_timeout_s)
        self.body_ticks = self.ticks(body_timeout_s)
        self.idle_ticks = self.ticks(idle_timeout_s)
        self.linger_ticks = self.ticks(linger_s)
        self.fresh_ticks = self.ticks(fresh_s)

    cdef long long ticks(self, double seconds):
        return <long long>ceil(seconds / self.tick_s)

    def __call__(self):
        cdef InboundConnection connection = InboundConnection.__new__(InboundConnection)
        connection.server = self
        connection.content = NO_CONTENT
        return connection

    @property
    def open(self):
        """Connections there are."""
        return len(self.connections)

    cdef int enter(self, InboundConnection connection) except -1:
        self.accepted += 1
        self.connections.add(connection)
        if self.timer is None:
            self.timer = self.loop.call_later(self.tick_s, self.pass_time)
        return 0

    cdef int leave(self, InboundConnection connection) except -1:
        self.connections.discard(connection)
        return 0

    def pass_time(self):
        """One tick has passed: look for what is late."""
        cdef InboundConnection connection
        cdef list connections = list(self.connections)
        self.timer = self.loop.call_later(self.tick_s, self.pass_time) if connections else None
        self.tick += 1
        for connection in connections:
            if connection.paused or connection.awaited != NOBODY and self.tick > connection.due:
                connection.look_at_time(self.tick)

    @property
    def busy(self):
        """Is any connection not idle?"""
        cdef InboundConnection connection
        for connection in self.connections:
            if connection.is_busy():
                return True
        return False

    def drain(self, bint patiently=False):
        """Close idle connections; let the others finish what they have begun."""
        cdef InboundConnection connection
        self.draining = True
        for connection in list(self.connections):
            connection.drain(patiently)

    def cut(self):
        """End what is still open, finished or not."""
        cdef InboundConnection connection
        for connection in list(self.connections):
            connection.cut()
