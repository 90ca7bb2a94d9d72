# Counting without a lock or an object: 64-bit numbers in a page that this process writes and another one reads.

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

cdef enum:
    STAGE_LIMIT = 8
    BUCKETS = 19
    # The buckets, the last of them without a bound, and the sum in nanoseconds.
    HISTOGRAM_ROOM = 20

cdef int64_t BOUNDS_NS[BUCKETS - 1]
BOUNDS_NS[:] = [
    25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000, 250_000_000, 500_000_000,
    1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000,
]

HISTOGRAM_SLOTS = HISTOGRAM_ROOM
HISTOGRAM_BOUNDS_S = tuple(bound / 1e9 for bound in BOUNDS_NS[:BUCKETS - 1])


cdef inline int64_t monotonic_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <int64_t>now.tv_sec * 1_000_000_000 + now.tv_nsec


@cython.final
@cython.freelist(64)
cdef class Laps:
    cdef int64_t began
    cdef int64_t latest
    cdef int64_t spent[STAGE_LIMIT]
    cdef unsigned int seen
    cdef bint finished

    def __cinit__(self):
        self.began = self.latest = monotonic_ns()

    cpdef int lap(self, unsigned int stage) except -1:
        cdef int64_t now
        if stage >= STAGE_LIMIT:
            raise IndexError("no such stage")
        now = monotonic_ns()
        self.spent[stage] += now - self.latest
        self.seen |= 1u << stage
        self.latest = now
        return 0

    def spent_s(self, unsigned int stage):
        if stage >= STAGE_LIMIT:
            raise IndexError("no such stage")
        return self.spent[stage] / 1e9 if self.seen & (1u << stage) else None

    def milliseconds(self, tuple stages not None):
        cdef int stage
        cdef int count = min(<int>len(stages), <int>STAGE_LIMIT)
        told = {"total": ((monotonic_ns() - self.began) // 1000) / 1000.0}
        for stage in range(count):
            if self.seen & (1u << stage):
                told[stages[stage]] = (self.spent[stage] // 1000) / 1000.0
        return told

    def total_s(self):
        return (monotonic_ns() - self.began) / 1e9


@cython.final
cdef class Counters:
    cdef Py_buffer page
    cdef uint64_t* numbers
    cdef Py_ssize_t count

    def __cinit__(self, page not None):
        # Kept as long as this lives: the page cannot be unmapped under it.
        PyObject_GetBuffer(page, &self.page, PyBUF_WRITABLE)
        if <size_t>self.page.buf % sizeof(uint64_t):
            raise ValueError("the page is not aligned to 8 octets")
        self.numbers = <uint64_t*>self.page.buf
        self.count = self.page.len // <Py_ssize_t>sizeof(uint64_t)

    def __dealloc__(self):
        PyBuffer_Release(&self.page)  # does nothing for a buffer that was never got

    cdef inline int check(self, Py_ssize_t index, Py_ssize_t room) except -1:
        if index < 0 or index > self.count - room:
            raise IndexError("outside of the page")
        return 0

    cdef inline void put_time(self, Py_ssize_t index, int64_t spent_ns) noexcept nogil:
        cdef int bucket = 0
        if spent_ns < 0:
            spent_ns = 0
        while bucket < BUCKETS - 1 and spent_ns > BOUNDS_NS[bucket]:
            bucket += 1
        self.numbers[index + bucket] += 1
        self.numbers[index + BUCKETS] += <uint64_t>spent_ns

    cpdef int add(self, Py_ssize_t index, uint64_t amount=1) except -1:
        self.check(index, 1)
        self.numbers[index] += amount
        return 0

    def set(self, Py_ssize_t index, uint64_t value):
        self.check(index, 1)
        self.numbers[index] = value

    def get(self, Py_ssize_t index):
        self.check(index, 1)
        return self.numbers[index]

    def observe(self, Py_ssize_t index, double seconds):
        self.check(index, HISTOGRAM_ROOM)
        if not 0 <= seconds < 1e9:
            raise ValueError("not a duration")
        self.put_time(index, <int64_t>(seconds * 1e9 + 0.5))

    cpdef int finish(
        self, Laps laps, Py_ssize_t request, Py_ssize_t verdict, Py_ssize_t duration, Py_ssize_t stages
    ) except -1:
        cdef int stage
        if laps is None:
            raise TypeError("no laps")
        self.check(request, 1)
        self.check(verdict, 1)
        self.check(duration, HISTOGRAM_ROOM)
        self.check(stages, STAGE_LIMIT * HISTOGRAM_ROOM)
        if laps.finished:
            return 0
        laps.finished = True
        self.numbers[request] += 1
        self.numbers[verdict] += 1
        self.put_time(duration, monotonic_ns() - laps.began)
        for stage in range(STAGE_LIMIT):
            if laps.seen & (1u << stage):
                self.put_time(stages + stage * HISTOGRAM_ROOM, laps.spent[stage])
        return 0
