# Strict reader of one request head (RFC 9112 §3, §5, §6): R4 and the head's part of R5.

cimport cython
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport UINT32_MAX

include "_native/octets.pxi"

cdef enum:
    HTAB = 0x09
    LF = 0x0A
    CR = 0x0D
    SP = 0x20
    METHOD_LIMIT = 32
    FIRST_LINES = 16

# What a length may be at most; far from where a sum of two overflows.
cdef uint64_t LENGTH_LIMIT = <uint64_t>1 << 62

cdef object HEAD_KEY = object()  # only this module has it


cdef struct Field:
    uint32_t name       # offset into raw and lower
    uint32_t name_len
    uint32_t value      # offset into raw, optional white space trimmed (R4: it would change the base)
    uint32_t value_len


@cython.final
@cython.freelist(64)
@cython.auto_pickle(False)
cdef class Head:
    cdef bytes raw                # the head as received
    cdef const uint8_t* data      # of raw
    cdef uint8_t* lower           # copy of raw in which field names and the options of Connection are lower case
    cdef Field* lines
    cdef int room                 # of lines
    cdef int reserved_line        # the first whose name folds to Wfm-*, -1 for none
    cdef readonly int field_count
    cdef readonly bytes method
    cdef readonly bytes target
    cdef readonly bytes path
    cdef readonly object query
    cdef readonly bytes host
    cdef readonly bint absolute
    cdef readonly bint chunked
    cdef readonly bint keep_alive
    cdef readonly bint expects_continue
    cdef readonly int minor
    cdef readonly long long content_length

    def __cinit__(self, key=None):
        # Not in __init__: Head.__new__ alone would leave it out, and every pointer here may be followed.
        if key is not HEAD_KEY:
            raise TypeError("heads are made by parse_head")

    def __dealloc__(self):
        free(self.lower)
        free(self.lines)

    cdef int load(self, bytes raw) except -1:
        cdef Py_ssize_t size = PyBytes_GET_SIZE(raw)
        if size >= <Py_ssize_t>UINT32_MAX:
            raise Refused("request.head_too_large", "offsets are of 32 bits")
        self.raw = raw
        self.data = <const uint8_t*>PyBytes_AS_STRING(raw)
        self.reserved_line = -1
        self.content_length = -1
        self.lower = <uint8_t*>malloc(size + 1)
        if self.lower == NULL:
            raise MemoryError
        memcpy(self.lower, self.data, size + 1)
        return 0

    cdef int grow(self) except -1:
        cdef int room = self.room * 2 if self.room else FIRST_LINES
        cdef Field* lines = <Field*>realloc(self.lines, room * sizeof(Field))
        if lines == NULL:
            raise MemoryError
        self.lines = lines
        self.room = room
        return 0

    cdef int find(self, const uint8_t* name, Py_ssize_t length, int start) noexcept:
        """Index of the next line from `start` on that has this lower-case name; -1 if there is none."""
        cdef int index
        cdef Field* line
        for index in range(start, self.field_count):
            line = &self.lines[index]
            if line.name_len == length and memcmp(self.lower + line.name, name, length) == 0:
                return index
        return -1

    cdef inline bytes name_at(self, int index):
        return PyBytes_FromStringAndSize(<const char*>self.data + self.lines[index].name, self.lines[index].name_len)

    cdef inline bytes value_at(self, int index):
        return PyBytes_FromStringAndSize(<const char*>self.data + self.lines[index].value, self.lines[index].value_len)

    def values(self, bytes name not None):
        cdef list found = []
        cdef int index = -1
        while True:
            index = self.find(<const uint8_t*>PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name), index + 1)
            if index < 0:
                return found
            found.append(self.value_at(index))

    def fields(self):
        cdef int index
        return [(self.name_at(index), self.value_at(index)) for index in range(self.field_count)]

    def reserved(self):
        return None if self.reserved_line < 0 else self.name_at(self.reserved_line)


include "_native/authority.pxi"
include "_native/judge_head.pxi"
include "_native/read_head.pxi"
