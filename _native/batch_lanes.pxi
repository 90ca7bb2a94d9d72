# What all batches share: eight lanes, each with three runs of octets, and an answer a lane.

cdef enum:
    LANE_COUNT = 8

LANES = LANE_COUNT


cdef struct Lane:
    const uint8_t* point
    const uint8_t* signature
    const uint8_t* octets
    uint32_t length  # of `octets`


cdef int read_lanes(
    tuple given, Lane* lanes, Py_ssize_t point_size, Py_ssize_t signature_size, Py_ssize_t octets_size
) except -1:
    # One to eight lanes; those that are left repeat the first one, whose answer is known to nobody then. `octets_size`
    # -1: any. The caller keeps `given` alive for as long as it uses what stands in `lanes`.
    cdef Py_ssize_t count = len(given)
    cdef Py_ssize_t i
    if not 1 <= count <= LANE_COUNT:
        raise ValueError(f"{count} lanes instead of 1 to {LANE_COUNT}")
    for i in range(count):
        read_lane(given[i], &lanes[i], point_size, signature_size, octets_size)
    for i in range(count, LANE_COUNT):
        lanes[i] = lanes[0]
    return 0


cdef int read_lane(
    object given, Lane* lane, Py_ssize_t point_size, Py_ssize_t signature_size, Py_ssize_t octets_size
) except -1:
    cdef tuple parts
    cdef Py_ssize_t length
    if type(given) is not tuple or len(given) != 3:
        raise TypeError("a lane is a tuple of point, signature and octets")
    parts = <tuple>given
    lane.point = octets_of(parts[0], point_size)
    lane.signature = octets_of(parts[1], signature_size)
    length = len(parts[2])
    if length > <Py_ssize_t>0x7FFFFFFF:
        raise ValueError("too long")
    lane.octets = octets_of(parts[2], length if octets_size < 0 else octets_size)
    lane.length = <uint32_t>length
    return 0


cdef const uint8_t* octets_of(object value, Py_ssize_t size) except NULL:
    if not PyBytes_CheckExact(value):
        raise TypeError("a lane holds bytes")
    if PyBytes_GET_SIZE(value) != size:
        raise ValueError(f"{PyBytes_GET_SIZE(value)} octets instead of {size}")
    return <const uint8_t*>PyBytes_AS_STRING(value)


cdef list answers(mbx_status status, unsigned int unsound, Py_ssize_t count):
    # Four bits of `status` a lane, 0 where the signature holds; one bit of `unsound`, 1 where it must not.
    cdef Py_ssize_t i
    return [(status >> (4 * i)) & 0xF == 0 and not unsound >> i & 1 for i in range(count)]
