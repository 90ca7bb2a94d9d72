# A growing piece of memory for octets; zeroed it is empty, and an idle connection keeps none.

from libc.stdio cimport snprintf

cdef enum:
    FIRST_ROOM = 512


cdef struct OctetBuffer:
    uint8_t* octets
    Py_ssize_t size
    Py_ssize_t room


cdef int append_octets(OctetBuffer* buffer, const uint8_t* octets, Py_ssize_t count) except -1:
    """Append; room at least doubles, so that many small pieces cost linear time."""
    cdef Py_ssize_t room
    cdef uint8_t* moved
    if count > buffer.room - buffer.size:
        room = max(buffer.size + count, 2 * buffer.room, <Py_ssize_t>FIRST_ROOM)
        moved = <uint8_t*>realloc(buffer.octets, room)
        if moved == NULL:
            raise MemoryError
        buffer.octets = moved
        buffer.room = room
    if count > 0:
        memcpy(buffer.octets + buffer.size, octets, count)
        buffer.size += count
    return 0


cdef void release_octets(OctetBuffer* buffer) noexcept:
    free(buffer.octets)
    buffer.octets = NULL
    buffer.size = buffer.room = 0


cdef bytes join_octets(OctetBuffer* buffer, bytes data, Py_ssize_t begin, Py_ssize_t stop):
    """What the buffer holds and data[begin:stop] behind it; `data` itself where that is all."""
    cdef bytes joined
    cdef char* room
    if buffer.size == 0 and begin == 0 and stop == PyBytes_GET_SIZE(data):
        return data
    joined = PyBytes_FromStringAndSize(NULL, buffer.size + stop - begin)
    room = PyBytes_AS_STRING(joined)
    if buffer.size > 0:
        memcpy(room, buffer.octets, buffer.size)
    memcpy(room + buffer.size, PyBytes_AS_STRING(data) + begin, stop - begin)
    return joined
